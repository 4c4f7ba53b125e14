"""Documentation of the action `concert.platform.lambda_package`; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_package
short_description: Build the Lambda packages and upload those the deployment bucket lacks
description:
  - Builds one zip per function below O(source) and one for the shared layer, whose dependencies are installed from
    its lock file.
  - A package's key carries a hash over its sorted paths and contents, so the same source yields the same key and the
    same bytes on any machine, and an object that exists under its key is never uploaded again.
  - Beside each package lies its bill of materials, CycloneDX 1.6 as JSON, under the same name with C(.cdx.json).
  - Packages that are built elsewhere (O(prebuilt)) are checked before anything is uploaded.
  - In check mode nothing is uploaded, and the bucket may not exist yet; O(build_dir) is filled all the same, since
    the layer's key follows from the installed files.
options:
  source:
    description:
      - Directory with one directory per function (a C(handler.py) makes it one) and C(layers/shared).
    type: path
    required: true
  bucket:
    description: Name of the deployment bucket. Without it the packages are built only, and nobody is called.
    type: str
  build_dir:
    description: Directory that keeps the installed dependencies between runs. It may be removed at any time.
    type: path
    required: true
  functions:
    description:
      - Names of the functions that must come out, from O(source) or from O(prebuilt). Empty takes what O(source) holds.
    type: list
    elements: str
    default: []
  prebuilt:
    description:
      - Packages that are built elsewhere, by function name (or C(shared_layer)), each as C({path}), a zip on this
        machine that is uploaded as it is, or C({key}), an object that O(bucket) holds already.
      - A zip must be readable, have C(handler.py) with C(lambda_handler) at its root (the layer
        C(python/concert_common)), no path that leaves it, and unpack to at most 262,144,000 bytes.
    type: dict
    default: {}
  prebuilt_directory:
    description: What relative paths in O(prebuilt) start from; the working directory if it is not given.
    type: path
extends_documentation_fragment: [concert.platform.connection]
attributes:
  check_mode:
    support: full
    description: Says what would be uploaded, and uploads nothing.
  diff_mode:
    support: full
    description: Lists the keys that are added to the bucket.
author: Concert Data Platform
version_added: 0.1.0
"""

EXAMPLES = r"""
- name: Build the packages and upload what is new
  concert.platform.lambda_package:
    source: "{{ playbook_dir }}/../files/lambda"
    bucket: concert-lambda-deployment-development-000000000000
    build_dir: "{{ playbook_dir }}/../build/lambda"
  register: packages

- name: Take one function from another repository's build, and one that it has uploaded itself
  concert.platform.lambda_package:
    source: "{{ playbook_dir }}/../files/lambda"
    bucket: concert-lambda-deployment-development-000000000000
    build_dir: "{{ playbook_dir }}/../build/lambda"
    prebuilt:
      chatbot: {path: /builds/concert-app/chatbot.zip}
      recommendations: {key: functions/recommendations-2.4.0.zip}
"""

RETURN = r"""
keys:
  description: Object key by package name; functions by their directory, the layer as C(shared_layer).
  returned: success
  type: dict
  sample: {chatbot: functions/chatbot-0f3ac1d29b6e4a7785c1.zip, shared_layer: layers/shared-52c0e1b77a90d3f4be16.zip}
uploaded:
  description: Keys of the packages that were uploaded, or would be in check mode.
  returned: success
  type: list
  elements: str
uploaded_bills:
  description: Keys of the bills of materials that were uploaded, or would be in check mode.
  returned: success
  type: list
  elements: str
bucket:
  description: The deployment bucket.
  returned: success
  type: str
"""
