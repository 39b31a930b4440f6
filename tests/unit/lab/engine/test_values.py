"""Property values, property paths, and the encryption of secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from lab.engine import paths, values
from lab.engine.crypto import crypter_of, new_salt
from lab.engine.stackfile import go_json
from workbench.errors import WorkbenchError

# From the CLI's own tests (pulumi/pkg/secrets/passphrase): made by the real implementation.
REAL_SALT = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_the_marks_are_those_of_the_sdk() -> None:
    assert values.UNKNOWN == rpc.UNKNOWN
    assert rpc._special_sig_key == values.SIGNATURE_KEY
    assert rpc._special_secret_sig == values.SECRET_SIGNATURE


def test_a_secret_made_by_the_real_command_is_read_with_the_right_passphrase() -> None:
    crypter = crypter_of("password", REAL_SALT)
    assert crypter.decrypt(REAL_SALT.split(":", 2)[2]) == "pulumi"


def test_a_wrong_passphrase_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="the passphrase is not the one of this stack"):
        crypter_of("passwort", REAL_SALT)


@pytest.mark.parametrize(
    "salt", ["", "v2:a:b", "v1:not base64!:v1:a:b", "v1:fozI5u6B030=", "v1:fozI5u6B030=:x"]
)
def test_a_salt_that_is_none_is_refused(salt: str) -> None:
    with pytest.raises(WorkbenchError):
        crypter_of("password", salt)


@given(st.text())
def test_what_is_encrypted_is_decrypted_to_the_same(text: str) -> None:
    crypter = crypter_of("password", REAL_SALT)
    assert crypter.decrypt(crypter.encrypt(text)) == text


def test_the_same_secret_keeps_its_ciphertext_so_that_files_do_not_churn() -> None:
    crypter = crypter_of("password", REAL_SALT)
    assert crypter.encrypt("hunter2") == crypter.encrypt("hunter2")
    assert crypter.encrypt("hunter2") != crypter.encrypt("hunter3")


def test_a_ciphertext_that_was_tampered_with_is_refused() -> None:
    crypter = crypter_of("password", REAL_SALT)
    version, nonce, sealed = crypter.encrypt("hunter2").split(":")
    for broken in (f"v2:{nonce}:{sealed}", f"{version}:{nonce}:AAAA{sealed[4:]}", "nonsense"):
        with pytest.raises(WorkbenchError, match="cannot be decrypted"):
            crypter.decrypt(broken)


def test_a_new_salt_is_of_the_form_of_the_real_command() -> None:
    parts = new_salt("x").split(":")
    assert (len(parts), parts[0], parts[2], len(parts[1]), len(parts[3])) == (5, "v1", "v1", 12, 16)


@given(json_values)
def test_a_value_marked_secret_anywhere_comes_back_plain(value: object) -> None:
    assert values.plain({"a": values.secret(value), "b": [values.secret({"c": values.secret(value)})]}) == {
        "a": value,
        "b": [{"c": value}],
    }


def test_outputs_are_secret_where_the_input_of_their_name_was() -> None:
    inputs = {"a": values.secret(1), "b": {"c": values.secret(2), "d": 3}, "e": [values.secret(4)], "f": 5}
    outputs = {"a": 1, "b": {"c": 2, "d": 3}, "e": [4, 9], "f": 5, "g": 6}
    assert values.annotate_secrets(outputs, inputs) == {
        "a": values.secret(1),
        "b": {"c": values.secret(2), "d": 3},
        "e": values.secret([4, 9]),
        "f": 5,
        "g": 6,
    }


def test_changed_keys_name_what_came_what_went_and_what_is_otherwise() -> None:
    old = {"same": values.secret(1), "gone": 1, "other": 1, "__defaults": [1]}
    new = {"same": 1, "new": 1, "other": 2, "__defaults": [2]}
    assert values.changed_keys(old, new) == {"new": "+", "other": "~", "gone": "-"}


def test_whole_numbers_are_written_as_such() -> None:
    assert values.without_integral_floats({"a": [50.0, 1.5, True, "1.0"]}) == {"a": [50, 1.5, True, "1.0"]}


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ["a"]),
        ("a.b", ["a", "b"]),
        ("users[0].name", ["users", 0, "name"]),
        ('tags["a.b"]', ["tags", "a.b"]),
        ('["a b"].c', ["a b", "c"]),
        (r'a["say \"hi\""]', ["a", 'say "hi"']),
        ("disks[*].size", ["disks", "*", "size"]),
    ],
)
def test_a_path_is_read_into_its_steps(text: str, steps: list[object]) -> None:
    assert paths.parse(text) == steps


@pytest.mark.parametrize("text", [".a", "a[", "a[b]", 'a["b]', "a..b", "a]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(WorkbenchError, match="is no property path"):
        paths.parse(text)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"a": 1, "l": [{"x": 3, "y": 5}], "n": 7}),
        ("l[0].x", {"a": 2, "l": [{"x": 1, "y": 5}], "n": 7}),
        ("l[*].x", {"a": 2, "l": [{"x": 1, "y": 5}], "n": 7}),
        ("n", {"a": 2, "l": [{"x": 3, "y": 5}]}),
        ("o", {"a": 2, "l": [{"x": 3, "y": 5}], "n": 7, "o": 9}),
        ("*", {"a": 1, "l": [{"x": 1}], "o": 9}),
        ("l[5].x", {"a": 2, "l": [{"x": 3, "y": 5}], "n": 7}),
        ("a.deeper", {"a": 2, "l": [{"x": 3, "y": 5}], "n": 7}),
    ],
)
def test_an_ignored_path_is_as_it_was(path: str, expected: object) -> None:
    new = {"a": 2, "l": [{"x": 3, "y": 5}], "n": 7}
    paths.reset(paths.parse(path), {"a": 1, "l": [{"x": 1}], "o": 9}, new)
    assert new == expected


def test_a_path_covers_itself_and_what_is_below_it() -> None:
    assert paths.covers(["a"], ["a", 0, "b"])
    assert paths.covers(["a", "*"], ["a", 0])
    assert not paths.covers(["a", "b"], ["a"])
    assert not paths.covers(["a"], ["b"])


@given(json_values, st.lists(st.text(max_size=3) | st.just(0), min_size=1, max_size=4))
def test_what_is_put_at_a_path_is_found_there(value: object, steps: list[str | int]) -> None:
    root: dict[str, object] = {}
    path = ["root", *steps]
    paths.put(root, path, value)
    assert paths.get(root, path) == value
    assert paths.remove(root, path)
    assert not paths.remove(root, path)


def test_json_for_the_program_is_as_the_real_command_writes_it() -> None:
    assert (
        go_json({"b": "<&>", "a": [1, True, None, "ü"]})
        == '{"a":[1,true,null,"ü"],"b":"\\u003c\\u0026\\u003e"}'
    )
