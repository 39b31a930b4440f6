"""Where packets go: aws:ec2 RouteTable, Route and RouteTableAssociation."""

from __future__ import annotations

import zlib
from typing import Any

from lab.provider.cloud import Cloud, gone_is_fine, tag_specifications, tag_state
from lab.provider.network import cidr_problem, retag
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always
from lab.provider.values import State
from workbench.errors import WorkbenchError

# ---- aws:ec2:RouteTable (its routes are resources of their own: inline `routes` are refused)


def _create_table(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.create_route_table(VpcId=inputs["vpcId"], **tag_specifications("route-table", inputs))
    return str(made["RouteTable"]["RouteTableId"])


def _find_table(cloud: Cloud, table: str) -> dict[str, Any] | None:
    return cloud.find("describe_route_tables", "RouteTables", RouteTableIds=[table])


def _read_table(cloud: Cloud, table: str, _known: State) -> State | None:
    found = _find_table(cloud, table)
    if found is None:
        return None
    routes = [route for route in found["Routes"] if route.get("GatewayId") != "local"]
    return {
        "vpcId": found["VpcId"],
        "arn": cloud.ec2_arn(f"route-table/{table}"),
        "ownerId": found.get("OwnerId", cloud.account),
        "propagatingVgws": [],
        "routes": [
            {"cidrBlock": route.get("DestinationCidrBlock", ""), "gatewayId": route.get("GatewayId", "")}
            for route in routes
        ],
        **tag_state(found.get("Tags")),
    }


def _delete_table(cloud: Cloud, table: str, _state: State) -> None:
    with gone_is_fine():
        cloud.once_free(lambda: cloud.ec2.delete_route_table(RouteTableId=table), "DependencyViolation")


ROUTE_TABLE = ResourceType(
    type="aws:ec2/routeTable:RouteTable",
    props={"vpcId": Prop(required=True, replaces=always), "tags": TAGS},
    outputs=("arn", "ownerId", "propagatingVgws", "routes"),
    create=_create_table,
    read=_read_table,
    update=retag,
    delete=_delete_table,
)


# ---- aws:ec2:Route, to an internet gateway


def _route_id(table: str, destination: str) -> str:
    # As the real provider makes it: the table and the CRC-32 of the destination.
    return f"r-{table}{zlib.crc32(destination.encode())}"


def _route_arguments(inputs: State) -> dict[str, Any]:
    return {
        "RouteTableId": inputs["routeTableId"],
        "DestinationCidrBlock": inputs["destinationCidrBlock"],
        "GatewayId": inputs["gatewayId"],
    }


def _create_route(cloud: Cloud, inputs: State) -> str:
    cloud.ec2.create_route(**_route_arguments(inputs))
    return _route_id(inputs["routeTableId"], inputs["destinationCidrBlock"])


def _read_route(cloud: Cloud, route: str, known: State) -> State | None:
    if known:
        table, destination = known["routeTableId"], known["destinationCidrBlock"]
    else:
        table, _, destination = route.partition("_")
        if not destination:
            raise WorkbenchError(f"to import a route give ROUTETABLEID_DESTINATION, not {route!r}")
    found = _find_table(cloud, table) or {"Routes": []}
    for item in found["Routes"]:
        if item.get("DestinationCidrBlock") == destination:
            return {
                "id": _route_id(table, destination),
                "routeTableId": table,
                "destinationCidrBlock": destination,
                "gatewayId": item.get("GatewayId", ""),
                "instanceId": item.get("InstanceId", ""),
                "instanceOwnerId": item.get("InstanceOwnerId", ""),
                "networkInterfaceId": item.get("NetworkInterfaceId", ""),
                "origin": item.get("Origin", "CreateRoute"),
                "state": item.get("State", "active"),
            }
    return None


def _update_route(cloud: Cloud, edit: Edit) -> None:
    cloud.ec2.replace_route(**_route_arguments(edit.news))


def _delete_route(cloud: Cloud, _route: str, state: State) -> None:
    with gone_is_fine():
        cloud.ec2.delete_route(
            RouteTableId=state["routeTableId"], DestinationCidrBlock=state["destinationCidrBlock"]
        )


ROUTE = ResourceType(
    type="aws:ec2/route:Route",
    props={
        "routeTableId": Prop(required=True, replaces=always),
        "destinationCidrBlock": Prop(required=True, replaces=always, check=cidr_problem()),
        "gatewayId": Prop(required=True),
    },
    outputs=("instanceId", "instanceOwnerId", "networkInterfaceId", "origin", "state"),
    create=_create_route,
    read=_read_route,
    update=_update_route,
    delete=_delete_route,
)


# ---- aws:ec2:RouteTableAssociation


def _create_association(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.associate_route_table(RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"])
    return str(made["AssociationId"])


def _association(cloud: Cloud, subnet: str) -> dict[str, Any] | None:
    """What a subnet is associated with; asked by subnet, because giving it another table changes the id."""
    here = [{"Name": "association.subnet-id", "Values": [subnet]}]
    table = cloud.find("describe_route_tables", "RouteTables", Filters=here)
    found = [item for item in table["Associations"] if item.get("SubnetId") == subnet] if table else []
    return found[0] if found else None


def _read_association(cloud: Cloud, association: str, known: State) -> State | None:
    subnet, slash, _ = association.partition("/")
    if not known and not slash:
        raise WorkbenchError(f"to import an association give SUBNETID/ROUTETABLEID, not {association!r}")
    found = _association(cloud, known.get("subnetId", subnet))
    if found is None:
        return None
    return {
        "id": found["RouteTableAssociationId"],
        "routeTableId": found["RouteTableId"],
        "subnetId": found["SubnetId"],
    }


def _update_association(cloud: Cloud, edit: Edit) -> None:
    found = _association(cloud, edit.olds["subnetId"])
    current = found["RouteTableAssociationId"] if found else edit.id
    cloud.ec2.replace_route_table_association(AssociationId=current, RouteTableId=edit.news["routeTableId"])


def _delete_association(cloud: Cloud, _id: str, state: State) -> None:
    found = _association(cloud, state["subnetId"])
    if found:
        with gone_is_fine():
            cloud.ec2.disassociate_route_table(AssociationId=found["RouteTableAssociationId"])


ROUTE_TABLE_ASSOCIATION = ResourceType(
    type="aws:ec2/routeTableAssociation:RouteTableAssociation",
    props={"routeTableId": Prop(required=True), "subnetId": Prop(required=True, replaces=always)},
    outputs=(),
    create=_create_association,
    read=_read_association,
    update=_update_association,
    delete=_delete_association,
)

TYPES = (ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION)
