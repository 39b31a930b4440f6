"""Attachments that take their time, which moto's never do: detaching, attaching, and a device that comes late.

A stand-in: how long is what the tests say (lab/faults.py). As on AWS, what is being detached can be used no more by
others until it is, however long that takes, unless it is forced; whether its machine was stopped meanwhile makes no
difference here, though there it often helps. A device that comes late is none to the machine: what is attached and not
yet seen, the world is not told of (lab/memory.py).
"""

import time
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from lab.calls import Call
from lab.faults import Faults

SHOWS = frozenset({"AttachVolume", "StartInstances", "RebootInstances"})
_ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<DetachVolumeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>00000000-0000-0000-0000-000000000000</requestId><volumeId>{volume}</volumeId>
<instanceId>{instance}</instanceId><device>{device}</device><status>detaching</status>
<attachTime>{since}</attachTime></DetachVolumeResponse>"""


def hidden(attachment: Any) -> bool:
    """Whether the machine does not see the device yet."""
    return getattr(attachment, "hidden_since", None) is not None


def begin(ec2: Any, call: Call, faults: Faults) -> None:
    """After moto's part of a call by which a machine sees a volume."""
    now = time.time()
    for attachment in _concerned(ec2, call):
        if call.action == "AttachVolume" and faults.attach_seconds:
            attachment.status, attachment.begun = "attaching", now
        if faults.device_seconds or attachment.status == "attaching":
            attachment.hidden_since = now


def _concerned(ec2: Any, call: Call) -> Iterator[Any]:
    machines, volume = call.all("InstanceId"), call.get("VolumeId")
    for attachment in _all(ec2):
        if attachment.volume.id == volume or attachment.instance.id in machines:
            yield attachment


def _all(ec2: Any) -> list[Any]:
    """Those of data volumes."""
    found = [volume.attachment for volume in ec2.volumes.values() if volume.attachment]
    return [one for one in found if one.device != one.instance.root_device_name]


def detaching(ec2: Any, call: Call, faults: Faults) -> Response | None:
    """AWS's answer to a detach that takes its time, which has begun; None where it is done at once."""
    volume = ec2.volumes.get(call.get("VolumeId"))
    attachment = volume.attachment if volume is not None else None
    if (
        call.action != "DetachVolume"
        or attachment is None
        or not faults.detach_seconds
        or call.get("Force").lower() == "true"
    ):
        return None
    if attachment.status != "detaching":
        attachment.status, attachment.begun = "detaching", time.time()
    told = {
        "volume": volume.id,
        "instance": attachment.instance.id,
        "device": attachment.device,
        "since": f"{attachment.attach_time:%Y-%m-%dT%H:%M:%S.000Z}",
    }
    return Response(
        _ANSWER.format(**{key: escape(value) for key, value in told.items()}), content_type="text/xml"
    )


def settle(ec2: Any, faults: Faults) -> bool:
    """Ends what has had its time; whether there was any."""
    now, ended = time.time(), False
    for one in _all(ec2):
        if one.status == "detaching" and now - one.begun >= faults.detach_seconds:
            ec2.detach_volume(one.volume.id, one.instance.id, one.device)
            ended = True
            continue
        if one.status == "attaching" and now - one.begun >= faults.attach_seconds:
            one.status, ended = "attached", True
        if hidden(one) and one.status != "attaching" and now - one.hidden_since >= faults.device_seconds:
            one.hidden_since, ended = None, True
    return ended
