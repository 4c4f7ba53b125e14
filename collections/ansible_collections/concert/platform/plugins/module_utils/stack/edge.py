"""The one file of the engine that calls AWS: boto3 answers in, the engine's own data out, errors made plain."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    TokenRetrievalError,
)

from ..connection import Connection
from .errors import (
    ConnectionLostError,
    CredentialsError,
    MissingBucketError,
    RejectedError,
    StackError,
    StackExistsError,
)
from .events import OPERATION_STARTS
from .looks import Look
from .model import (
    ChangeSet,
    ChangeSetName,
    ChangeSetRequest,
    ChangeSetState,
    Event,
    Output,
    Resource,
    Stack,
    StackStatus,
    TemplateLocation,
    TemplateReading,
)
from .remedies import remedy

T = TypeVar("T")

#: AWS's words for a change set without changes; the second is what nested stacks and transforms bring.
_EMPTY = ("didn't contain changes", "No updates are to be performed")
#: AWS's words where a stack that is to be created is there.
_EXISTS = re.compile(r"\bStack \[[^]]*\] already exists")
_BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
#: How a resource's existence is asked: service, call, the argument that takes its name.
_LOOKS = {
    "AWS::DynamoDB::Table": ("dynamodb", "describe_table", "TableName"),
    "AWS::KMS::Alias": ("kms", "describe_key", "KeyId"),
    "AWS::Kinesis::Stream": ("kinesis", "describe_stream_summary", "StreamName"),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", "logGroupNamePrefix"),
    "AWS::RedshiftServerless::Namespace": ("redshift-serverless", "get_namespace", "namespaceName"),
    "AWS::S3::Bucket": ("s3", "head_bucket", "Bucket"),
    "AWS::S3::BucketPolicy": ("s3", "get_bucket_policy", "Bucket"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "describe_secret", "SecretId"),
}
_ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchBucketPolicy", "NotFoundException", "ResourceNotFoundException"})
#: How many resources are looked for at once.
_LOOKING = 20


class WallClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class _Ahead(Generic[T]):
    """An answer that is going to be needed, asked for while something else is."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._answer: T | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except (BotoCoreError, ClientError) as error:
            # Whoever needs the answer asks again by itself, and is told why there is none.
            self.error = error

    def answer(self) -> T | None:
        """The answer; None where there is none."""
        self._thread.join()
        return self._answer


class _Aside(Generic[T]):
    """Work that is done beside what follows. Its error is raised where its answer is asked for."""

    def __init__(self, work: Callable[[], T], *, together: bool) -> None:
        self._work = work
        self._found: list[T] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not together:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except Exception as error:
            self._error = error

    @property
    def ready(self) -> bool:
        """Nobody would have to wait for it."""
        return not self._thread.is_alive()

    def answer(self) -> T:
        """What it came to, waited for."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]


class AwsGateway:
    """CloudFormation, and the little of S3 and SNS that the engine needs, through boto3.

    `look_ahead`: what is needed next is asked for at once: a stack's template while the stack is described, and it
    counts only if nothing came between; for a stack that does not exist, the exports and whose account this is, unless
    `caller` tells that already.
    """

    def __init__(self, connection: Connection, *, look_ahead: bool = False) -> None:
        self._connection = connection
        #: Whose account this is: `Account` and `Arn`. None until somebody has asked.
        self.caller: Mapping[str, str] | None = None
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._look_ahead = look_ahead
        self._ahead: tuple[str, _Ahead[str]] | None = None
        self._caller: _Ahead[dict[str, str]] | None = None
        self._exports: _Ahead[frozenset[str]] | None = None
        self._upload: tuple[tuple[str, str], _Ahead[str]] | None = None

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What tells the account and region that this reaches from others; no secret."""
        return self._connection.identity

    @cached_property
    def _cfn(self) -> Any:
        """The client, made when it is first needed: a look that another task has taken may do without one."""
        with self._plain("starting"):
            client = self._client("cloudformation")
        # boto3 would turn a JSON template into a mapping; its text is what is compared.
        client.meta.events.unregister(
            "after-call.cloudformation.GetTemplate", unique_id=None, handler=_json_template_handler()
        )
        return client

    @property
    def region(self) -> str:
        """The region that is called."""
        name: str = self._cfn.meta.region_name
        return name

    # looking

    def aside(self, work: Callable[[], T]) -> _Aside[T]:
        """Begin `work` beside what follows; without looking ahead, in its turn."""
        # Clients are shared by threads; the one that all use is there before them.
        _ = self._cfn
        return _Aside(work, together=self._look_ahead)

    def describe(self, name_or_id: str) -> Stack | None:
        """The stack; None if there is none."""
        ahead = _Ahead(lambda: self._read_template(name_or_id)) if self._look_ahead else None
        stack = self.glance(name_or_id)
        if stack is None:
            self.expect_creation()
        else:
            self._ahead = (stack.stack_id, ahead) if ahead else None
        return stack

    def glance(self, name_or_id: str) -> Stack | None:
        """The stack; None if there is none. Nobody is going to ask for its template next."""
        try:
            with self._plain(f"describing {name_or_id}"):
                found = self._cfn.describe_stacks(StackName=name_or_id)["Stacks"]
        except RejectedError as error:
            if error.code == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        stack = stack_of(found[0]) if found else None
        return None if stack is None or stack.status is StackStatus.DELETE_COMPLETE else stack

    def look_ahead_at(self, names: Sequence[str]) -> Callable[[], list[Look]]:
        """Start to look at several stacks at once; the function returned waits for the looks that succeeded."""
        began, describe, read = WallClock().now(), self._cfn.describe_stacks, self._read_template
        asked = [(name, _Ahead(partial(describe, StackName=name)), _Ahead(partial(read, name))) for name in names]

        def looks() -> list[Look]:
            found = []
            for name, description, template in asked:
                described, text = description.answer(), template.answer()
                if described and described["Stacks"] and text is not None:
                    found.append(Look(name, began, described["Stacks"][0], text))
                elif description.error is not None and _is_absent(description.error):
                    found.append(Look(name, began, None, ""))
            return found

        return looks

    def template_text(self, name_or_id: str) -> str:
        """The template as it was sent."""
        expected, ahead = self._ahead or ("", None)
        self._ahead = None
        if ahead is not None and expected == name_or_id and (body := ahead.answer()) is not None:
            return body
        with self._plain(f"reading the template of {name_or_id}"):
            return self._read_template(name_or_id)

    def _read_template(self, name_or_id: str) -> str:
        body = self._cfn.get_template(StackName=name_or_id, TemplateStage="Original")["TemplateBody"]
        return body if isinstance(body, str) else json.dumps(body)

    def expect_creation(self) -> None:
        """A stack that does not exist is likely to be created: what that asks for is asked at once."""
        if self._look_ahead and self._exports is None:
            # The one that all use is there before the threads that use it.
            _ = self._cfn
            if self.caller is None:
                self._caller = _Ahead(self._ask_caller)
            self._exports = _Ahead(self._read_exports)

    def stack_policy(self, name: str) -> Mapping[str, Any] | None:
        """The stack policy, None without one."""
        with self._plain(f"reading the stack policy of {name}"):
            body = self._cfn.get_stack_policy(StackName=name).get("StackPolicyBody")
        return json.loads(body) if body else None

    def resources(self, stack_id: str) -> Sequence[Resource]:
        """What the stack holds, or held."""
        with self._plain("listing the stack's resources"):
            pages = self._cfn.get_paginator("list_stack_resources").paginate(StackName=stack_id)
            return [
                Resource(
                    logical_id=item["LogicalResourceId"],
                    physical_id=item.get("PhysicalResourceId", ""),
                    resource_type=item["ResourceType"],
                    status=item["ResourceStatus"],
                )
                for page in pages
                for item in page["StackResourceSummaries"]
            ]

    def export_names(self) -> frozenset[str]:
        """All exports of the region."""
        ahead, self._exports = self._exports, None
        if ahead is not None and (found := ahead.answer()) is not None:
            return found
        with self._plain("listing exports"):
            return self._read_exports()

    def _read_exports(self) -> frozenset[str]:
        pages = self._cfn.get_paginator("list_exports").paginate()
        return frozenset(item["Name"] for page in pages for item in page["Exports"])

    def importers(self, export: str) -> Sequence[str]:
        """The names of the stacks that import it."""
        try:
            with self._plain("listing who imports an export"):
                pages = self._cfn.get_paginator("list_imports").paginate(ExportName=export)
                return [name for page in pages for name in page["Imports"]]
        except RejectedError as error:
            if error.code == "ValidationError" and ("not imported" in str(error) or "does not exist" in str(error)):
                return []
            raise

    def has_subscribers(self, topic_arn: str) -> bool:
        """Somebody is subscribed to the topic."""
        with self._plain("listing a topic's subscriptions"):
            answer = self._client("sns").list_subscriptions_by_topic(TopicArn=topic_arn)
        return bool(answer["Subscriptions"])

    def stack_arn(self, name: str) -> str:
        """The ARN of a stack to be, without its unique part."""
        ahead, self._caller = self._caller, None
        if self.caller is None and ahead is not None:
            self.caller = ahead.answer()
        if self.caller is None:
            with self._plain("asking whose account this is"):
                self.caller = self._ask_caller()
        partition = self.caller["Arn"].split(":")[1]
        return f"arn:{partition}:cloudformation:{self.region}:{self.caller['Account']}:stack/{name}/"

    def _ask_caller(self) -> dict[str, str]:
        caller = self._client("sts").get_caller_identity()
        return {"Account": caller["Account"], "Arn": caller["Arn"]}

    def expect_holders(self, resource_types: Collection[str]) -> None:
        """Make the clients that look for things of these types, while another answer is still on its way."""
        for resource_type in resource_types:
            self._client(_LOOKS[resource_type][0])

    def holders(self, names: Sequence[tuple[str, str]]) -> Sequence[str | None]:
        """What exists under each type and name, by the identifier that an import takes; asked all at once."""
        # One thread makes the clients that the others share: as many at once would only be in each other's way.
        self.expect_holders([resource_type for resource_type, _ in names])
        if not names:
            return []
        with ThreadPoolExecutor(min(_LOOKING, len(names))) as pool:
            return list(pool.map(lambda wanted: self._holder(*wanted), names))

    def _holder(self, resource_type: str, name: str) -> str | None:
        service, operation, argument = _LOOKS[resource_type]
        try:
            with self._plain(f"looking for {resource_type} {name}"):
                answer = getattr(self._client(service), operation)(**{argument: name})
        except RejectedError as error:
            if error.code in _ABSENT:
                return None
            if resource_type == "AWS::S3::Bucket" and error.code in ("301", "403"):
                return name  # another account's
            if error.code.startswith("AccessDenied"):
                return None
            raise
        if resource_type == "AWS::KMS::Alias":
            return str(answer["KeyMetadata"]["KeyId"])
        if resource_type == "AWS::SecretsManager::Secret":
            return str(answer["ARN"])
        if resource_type == "AWS::Logs::LogGroup":
            # The answer is a page of names that begin like this one; the shortest, which this one is, comes first.
            return name if any(group["logGroupName"] == name for group in answer["logGroups"]) else None
        return name

    # change sets

    def create_change_set(self, request: ChangeSetRequest) -> tuple[str, str]:
        """The new change set's id, and the id of its stack."""
        arguments: dict[str, Any] = {
            "StackName": request.stack,
            "ChangeSetName": request.name,
            "ChangeSetType": "IMPORT" if request.imports else "CREATE" if request.create else "UPDATE",
            "Parameters": [
                {"ParameterKey": name, "UsePreviousValue": True}
                if value is None
                else {"ParameterKey": name, "ParameterValue": value}
                for name, value in request.parameters.items()
            ],
            "Capabilities": list(request.capabilities),
            "ClientToken": request.token,
        }
        if request.template.body is not None:
            arguments["TemplateBody"] = request.template.body
        elif request.template.url is not None:
            arguments["TemplateURL"] = request.template.url
        else:
            arguments["UsePreviousTemplate"] = True
        if request.imports:
            arguments["ResourcesToImport"] = [dict(member) for member in request.imports]
        if request.tags is not None:
            # In one order, whoever asks: a list in another order is another value, and every resource would be updated.
            arguments["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(request.tags.items())]
        if request.role_arn is not None:
            arguments["RoleARN"] = request.role_arn
        if request.notification_arns is not None:
            arguments["NotificationARNs"] = list(request.notification_arns)
        try:
            with self._plain(f"planning {request.stack}"):
                answer = self._cfn.create_change_set(**arguments)
        except RejectedError as error:
            if request.create and _EXISTS.search(str(error)):
                raise StackExistsError(str(error), error.code) from None
            # The name is this run's own: an earlier attempt arrived, and its answer was lost.
            if error.code != "AlreadyExistsException" or f"ChangeSet {request.name}" not in str(error).replace("[", ""):
                raise
            with self._plain("reading the plan"):
                found = self._cfn.describe_change_set(ChangeSetName=request.name, StackName=request.stack)
            return found["ChangeSetId"], found["StackId"]
        return answer["Id"], answer["StackId"]

    def change_set(self, change_set_id: str) -> ChangeSet:
        """The change set, all its pages."""
        with self._plain("reading the plan"):
            page = self._cfn.describe_change_set(ChangeSetName=change_set_id, IncludePropertyValues=True)
            state = _change_set_state(page)
            changes = list(page.get("Changes") or ())
            while state is ChangeSetState.READY and page.get("NextToken"):
                page = self._cfn.describe_change_set(
                    ChangeSetName=change_set_id, IncludePropertyValues=True, NextToken=page["NextToken"]
                )
                changes += page.get("Changes") or ()
        return ChangeSet(
            change_set_id=page["ChangeSetId"],
            stack_id=page["StackId"],
            state=state,
            reason=page.get("StatusReason") or "",
            raw=tuple(change["ResourceChange"] for change in changes if "ResourceChange" in change),
        )

    def change_sets(self, stack_id: str) -> list[ChangeSetName]:
        """The change sets that stand beside the stack."""
        with self._plain("listing change sets"):
            pages = self._cfn.get_paginator("list_change_sets").paginate(StackName=stack_id)
            now = datetime.now(UTC)
            return [
                ChangeSetName(item["ChangeSetId"], item["ChangeSetName"], (now - item["CreationTime"]).total_seconds())
                for page in pages
                for item in page["Summaries"]
            ]

    def execute(self, change_set_id: str, token: str) -> None:
        """Start exactly this change set; a failure rolls back, also where a resource is replaced."""
        # What was asked ahead of it is old from now on.
        self._exports = None
        with self._arrived(), self._plain("executing the plan"):
            self._cfn.execute_change_set(ChangeSetName=change_set_id, ClientRequestToken=token, DisableRollback=False)

    def delete_change_set(self, stack: str, name: str) -> None:
        """Remove it; one that is gone already, or whose stack is, is no error."""
        try:
            with self._plain("removing the plan"):
                self._cfn.delete_change_set(StackName=stack, ChangeSetName=name)
        except RejectedError as error:
            if error.code not in ("ChangeSetNotFound", "ChangeSetNotFoundException") and "does not exist" not in str(
                error
            ):
                raise

    # changing

    def update_settings(
        self, stack: Stack, notification_arns: tuple[str, ...], capabilities: tuple[str, ...], token: str
    ) -> bool:
        """Update the stack with nothing but its notification topics; False if AWS sees nothing to do."""
        try:
            with self._arrived(), self._plain("updating the notification topics"):
                self._cfn.update_stack(
                    StackName=stack.name,
                    UsePreviousTemplate=True,
                    Parameters=[{"ParameterKey": name, "UsePreviousValue": True} for name in stack.parameters],
                    Capabilities=list(capabilities),
                    NotificationARNs=list(notification_arns),
                    ClientRequestToken=token,
                )
        except RejectedError as error:
            if _EMPTY[1] in str(error):
                return False
            raise
        return True

    def delete_stack(
        self, stack_id: str, token: str, role_arn: str | None = None, retain: tuple[str, ...] = ()
    ) -> None:
        """Start its deletion, leaving `retain` behind."""
        more: dict[str, Any] = _role(role_arn) | ({"RetainResources": list(retain)} if retain else {})
        with self._arrived(), self._plain(f"deleting {stack_id}"):
            self._cfn.delete_stack(StackName=stack_id, ClientRequestToken=token, **more)

    def roll_back(self, stack_id: str, token: str, role_arn: str | None = None) -> None:
        """Start the way back of an operation that failed without a rollback."""
        with self._arrived(), self._plain(f"rolling {stack_id} back"):
            self._cfn.rollback_stack(StackName=stack_id, ClientRequestToken=token, **_role(role_arn))

    def continue_rollback(self, stack_id: str, token: str, skip: tuple[str, ...], role_arn: str | None = None) -> None:
        """Start a failed update rollback again, leaving out `skip`."""
        more: dict[str, Any] = _role(role_arn) | ({"ResourcesToSkip": list(skip)} if skip else {})
        with self._arrived(), self._plain(f"continuing the rollback of {stack_id}"):
            self._cfn.continue_update_rollback(StackName=stack_id, ClientRequestToken=token, **more)

    def events(self, stack_id: str, known: frozenset[str] = frozenset()) -> Sequence[Event]:
        """The stack's events, oldest first, back to the newest in `known` or to the last operation's start."""
        found: dict[str, Event] = {}
        with self._plain("reading the stack's events"):
            for page in self._cfn.get_paginator("describe_stack_events").paginate(StackName=stack_id):
                for item in page["StackEvents"]:
                    event = _event(item)
                    if event.event_id in known:
                        return list(reversed(found.values()))
                    found[event.event_id] = event
                    if event.about_stack and event.status in OPERATION_STARTS:
                        return list(reversed(found.values()))
        return list(reversed(found.values()))

    def set_termination_protection(self, name: str, enabled: bool) -> None:
        """Allow or forbid the stack's deletion."""
        with self._plain(f"setting the termination protection of {name}"):
            self._cfn.update_termination_protection(StackName=name, EnableTerminationProtection=enabled)

    def set_stack_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        """Replace the stack policy."""
        with self._plain(f"setting the stack policy of {name}"):
            self._cfn.set_stack_policy(StackName=name, StackPolicyBody=json.dumps(policy))

    # templates

    def validate_template(self, location: TemplateLocation) -> TemplateReading:
        """What AWS reads in a template that no stack has yet. RejectedError if it refuses it."""
        sent = {"TemplateBody": location.body} if location.url is None else {"TemplateURL": location.url}
        with self._plain("validating the template"):
            answer = self._cfn.validate_template(**sent)
        parameters = answer.get("Parameters") or ()
        return TemplateReading(
            parameters=tuple(parameter["ParameterKey"] for parameter in parameters),
            no_echo=tuple(parameter["ParameterKey"] for parameter in parameters if parameter.get("NoEcho")),
            capabilities=tuple(answer.get("Capabilities") or ()),
        )

    def expect_upload(self, bucket: str, key: str, body: str) -> None:
        """The template is going to be put there: it is on its way from now on."""
        if self._look_ahead:
            self._upload = ((bucket, key), _Ahead(lambda: self._put_new(self._client("s3"), bucket, key, body)))

    def put_template(self, bucket: str, key: str, body: str, *, temporary: bool) -> str:
        """Upload unless it is there; the URL that CloudFormation reads."""
        expected, ahead = self._upload or (None, None)
        self._upload = None
        if ahead is not None and expected == (bucket, key) and not temporary and (url := ahead.answer()) is not None:
            return url
        try:
            with self._plain(f"uploading the template to {bucket}"):
                return self._put(self._client("s3"), bucket, key, body, temporary=temporary)
        except RejectedError as error:
            if error.code in ("NoSuchBucket", "404"):
                raise MissingBucketError(
                    f"the bucket {bucket}, which large templates go through, does not exist", error.code
                ) from None
            raise

    def _put(self, s3: Any, bucket: str, key: str, body: str, *, temporary: bool) -> str:
        if temporary or not self._is_there(s3, bucket, key):
            s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType="application/yaml")
        return f"{s3.meta.endpoint_url}/{bucket}/{key}"

    def _put_new(self, s3: Any, bucket: str, key: str, body: str) -> str:
        """Upload what is hardly there yet: AWS is told to leave alone what is, instead of being asked first."""
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType="application/yaml", IfNoneMatch="*")
        except ClientError as error:
            # The key is made of the content, so what is there is the same.
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
        return f"{s3.meta.endpoint_url}/{bucket}/{key}"

    def drop_template(self, bucket: str, key: str) -> None:
        """Remove a temporary upload for good, versions included."""
        s3 = self._client("s3")
        with self._plain(f"removing the temporary template from {bucket}"):
            listed = s3.list_object_versions(Bucket=bucket, Prefix=key)
            for version in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])

    def _is_there(self, s3: Any, bucket: str, key: str) -> bool:
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
                raise
            return False
        return True

    # errors

    def _client(self, service: str) -> Any:
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._connection.client(service)
            return self._clients[service]

    @contextmanager
    def _arrived(self) -> Iterator[None]:
        """A request whose answer was lost is sent again by boto3, and AWS says that it has it already: no failure.

        Tokens and change sets are this run's own, so nobody else can have brought it.
        """
        try:
            yield
        except RejectedError as error:
            if error.code.startswith("TokenAlreadyExists"):
                return
            if error.code.startswith("InvalidChangeSetStatus") and "execution status of [EXECUTE_" in str(error):
                return
            raise

    @contextmanager
    def _plain(self, doing: str) -> Iterator[None]:
        """boto3's errors as the engine's own, each in one line with its way out."""
        # Whatever else is asked or done comes between a look and what was read beside it.
        self._ahead = None
        try:
            yield
        except ClientError as error:
            raise _client_error(error, doing) from None
        except (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError) as error:
            raise self._lost(error, doing) from None
        except (NoCredentialsError, PartialCredentialsError, ProfileNotFound, TokenRetrievalError) as error:
            raise CredentialsError(
                f"There are no usable AWS credentials ({_line(error)}). "
                "Log in, or name a profile that exists; then run again."
            ) from None
        except NoRegionError:
            raise StackError(
                "No AWS region is set. Give the option region, or set AWS_REGION; then run again."
            ) from None
        except (ConnectionError, HTTPClientError) as error:
            raise self._lost(error, doing) from None
        except BotoCoreError as error:
            raise RejectedError(f"While {doing}: {_line(error)}.", type(error).__name__) from None

    def _lost(self, error: Exception, doing: str) -> ConnectionLostError:
        endpoint = self._connection.endpoint_url or self._cfn.meta.endpoint_url
        return ConnectionLostError(
            f"{endpoint} does not answer while {doing} ({type(error).__name__}). Check that it runs and that this "
            "machine reaches it, then run again: what AWS has begun is taken up."
        )


def _is_absent(error: Exception) -> bool:
    """DescribeStacks' way to say that there is no such stack."""
    return (
        isinstance(error, ClientError)
        and error.response["Error"].get("Code") == "ValidationError"
        and "does not exist" in str(error)
    )


def _json_template_handler() -> Callable[..., Any]:
    from botocore.handlers import json_decode_template_body

    return json_decode_template_body


def _client_error(error: ClientError, doing: str) -> StackError:
    code = error.response["Error"].get("Code", "")
    said = _line(error.response["Error"].get("Message") or error)
    if code in _BAD_CREDENTIALS or "security token included in the request is" in said:
        return CredentialsError(
            f"AWS does not accept these credentials ({code}: {said}). Log in again, then run again."
        )
    return RejectedError(f"While {doing}, AWS answered {code}: {said}. {remedy(f'{code} {said}')}", code)


def _role(role_arn: str | None) -> dict[str, Any]:
    return {"RoleARN": role_arn} if role_arn else {}


def _line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")


def stack_of(item: Mapping[str, Any]) -> Stack:
    """A stack as DescribeStacks shows it."""
    status = item["StackStatus"]
    try:
        known = StackStatus(status)
    except ValueError:
        raise StackError(
            f"{item['StackName']} is in status {status}, which this engine does not know. See it in the AWS console."
        ) from None
    return Stack(
        name=item["StackName"],
        stack_id=item["StackId"],
        status=known,
        status_reason=item.get("StackStatusReason") or "",
        description=item.get("Description") or "",
        parameters={
            parameter["ParameterKey"]: parameter.get("ParameterValue", "") for parameter in item.get("Parameters") or ()
        },
        outputs=tuple(
            Output(output["OutputKey"], output.get("OutputValue", ""), output.get("ExportName") or None)
            for output in item.get("Outputs") or ()
        ),
        tags={tag["Key"]: tag["Value"] for tag in item.get("Tags") or ()},
        role_arn=item.get("RoleARN") or None,
        notification_arns=tuple(item.get("NotificationARNs") or ()),
        termination_protection=bool(item.get("EnableTerminationProtection")),
    )


def _event(item: Mapping[str, Any]) -> Event:
    return Event(
        event_id=item["EventId"],
        stack_id=item["StackId"],
        stack_name=item["StackName"],
        logical_id=item.get("LogicalResourceId", ""),
        physical_id=item.get("PhysicalResourceId", ""),
        resource_type=item.get("ResourceType", ""),
        status=item.get("ResourceStatus", ""),
        reason=item.get("ResourceStatusReason") or "",
        at=item["Timestamp"],
        token=item.get("ClientRequestToken") or "",
    )


def _change_set_state(page: Mapping[str, Any]) -> ChangeSetState:
    status, reason = page["Status"], page.get("StatusReason") or ""
    if status == "FAILED":
        return ChangeSetState.EMPTY if any(words in reason for words in _EMPTY) else ChangeSetState.FAILED
    if status == "CREATE_COMPLETE":
        return ChangeSetState.READY if page.get("ExecutionStatus") == "AVAILABLE" else ChangeSetState.FAILED
    return ChangeSetState.PENDING if status.startswith("CREATE_") else ChangeSetState.FAILED
