from __future__ import annotations

import json

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.secrets import Scrubber
from hypothesis import assume, given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("secret", "text", "scrubbed"),
    [
        pytest.param("hunter2", "password hunter2!", "password ****!", id="in-a-sentence"),
        pytest.param("hunter2", "xhunter2y", "x****y", id="inside-a-word"),
        pytest.param("ab", "ab table ab", "**** table ****", id="a-short-one-only-as-a-word"),
        pytest.param('say "hi"', json.dumps({"a": 'say "hi"'}), '{"a": "****"}', id="escaped-in-json"),
        pytest.param("grün✓", json.dumps("grün✓"), '"****"', id="escaped-beyond-ascii"),
        pytest.param("a b/c?d", "url=a%20b%2Fc%3Fd", "url=****", id="in-a-url"),
        pytest.param("first line of it\nsecond line of it", "oops: second line of it", "oops: ****", id="a-line-of-it"),
        pytest.param("", "nothing to hide", "nothing to hide", id="an-empty-secret-hides-nothing"),
        pytest.param("****", "kept ****", "kept ****", id="the-mask-itself"),
    ],
)
def test_text(secret: str, text: str, scrubbed: str) -> None:
    assert Scrubber([secret]).text(text) == scrubbed


def test_deep_values_and_keys() -> None:
    scrub = Scrubber(["s3cret", "12345"])
    assert scrub({"s3cret": [{"a": ("x s3cret",)}, 12345, True, None]}) == {
        "****": [{"a": ["x ****"]}, "****", True, None]
    }


def test_the_longer_secret_goes_first() -> None:
    assert Scrubber(["secret", "secret-longer"]).text("secret-longer") == "****"


@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    assume("*" not in secret)
    assert secret not in Scrubber([secret]).text(before + secret + after)
