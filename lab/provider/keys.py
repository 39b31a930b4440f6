"""Who the first boot lets in: aws:ec2 KeyPair."""

from __future__ import annotations

from lab.provider.cloud import Cloud, gone_is_fine, tag_specifications, tag_state
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always
from lab.provider.values import State


def _key_problem(text: str) -> str | None:
    kind, _, rest = text.strip().partition(" ")
    if kind in ("ssh-rsa", "ssh-ed25519") and rest:
        return None
    return f"must be an OpenSSH public key of type ssh-rsa or ssh-ed25519, got one that begins {text[:20]!r}"


def _create_key(cloud: Cloud, inputs: State) -> str:
    cloud.ec2.import_key_pair(
        KeyName=inputs["keyName"],
        PublicKeyMaterial=inputs["publicKey"].encode(),
        **tag_specifications("key-pair", inputs),
    )
    return str(inputs["keyName"])


def _read_key(cloud: Cloud, key: str, known: State) -> State | None:
    found = cloud.find("describe_key_pairs", "KeyPairs", KeyNames=[key], IncludePublicKey=True)
    if found is None:
        return None
    return {
        "keyName": found["KeyName"],
        # The API returns a key without its comment, or with another: what the program gave is the same key.
        "publicKey": known.get("publicKey") or found.get("PublicKey"),
        "keyPairId": found["KeyPairId"],
        "keyType": found.get("KeyType", ""),
        "fingerprint": found["KeyFingerprint"],
        "keyNamePrefix": "",
        "arn": cloud.ec2_arn(f"key-pair/{key}"),
        **tag_state(found.get("Tags")),
    }


def _update_key(cloud: Cloud, edit: Edit) -> None:
    cloud.retag(edit.olds["keyPairId"], edit.olds.get("tags", {}), edit.news.get("tags", {}))


def _delete_key(cloud: Cloud, key: str, _state: State) -> None:
    with gone_is_fine():
        cloud.ec2.delete_key_pair(KeyName=key)


def _same_text(one: str, other: str) -> bool:
    return one.strip() == other.strip()


KEY_PAIR = ResourceType(
    type="aws:ec2/keyPair:KeyPair",
    props={
        "publicKey": Prop(required=True, replaces=always, same=_same_text, check=_key_problem),
        "keyName": Prop(computed=True, replaces=always),
        "tags": TAGS,
    },
    outputs=("arn", "fingerprint", "keyNamePrefix", "keyPairId", "keyType"),
    named="keyName",
    create=_create_key,
    read=_read_key,
    update=_update_key,
    delete=_delete_key,
)

TYPES = (KEY_PAIR,)
