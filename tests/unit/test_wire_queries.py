"""Parameters of a query: single ones, and lists as clients of OpenAI send them."""

from typing import Any

import pytest
from starlette.requests import Request

from app.errors import InvalidRequest
from app.gateway.queries import PageQuery, parse_query
from app.wire.conversations import IncludeQuery, ItemsQuery

ONE, OTHER = "reasoning.encrypted_content", "file_search_call.results"


def asked(query: str) -> Request:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "query_string": query.encode()}
    return Request(scope)


@pytest.mark.parametrize(
    ("query", "include"),
    [
        ("", None),
        (f"include={ONE}", [ONE]),
        (f"include[]={ONE}", [ONE]),
        (f"include%5B%5D={ONE}&include%5B%5D={OTHER}", [ONE, OTHER]),
        (f"include[]={ONE}&include={OTHER}", [OTHER, ONE]),
    ],
)
def test_include_is_one_or_several(query: str, include: list[str] | None) -> None:
    assert parse_query(IncludeQuery, asked(query)).include == include


def test_a_list_stands_beside_other_parameters() -> None:
    query = parse_query(ItemsQuery, asked(f"limit=3&include[]={ONE}&order=asc&include[]={OTHER}"))

    assert (query.limit, query.order, query.include) == (3, "asc", [ONE, OTHER])


@pytest.mark.parametrize(
    ("kind", "query", "param"),
    [
        (ItemsQuery, "limit=3&limit=4", "limit"),
        (ItemsQuery, f"include={ONE}&include={OTHER}", "include"),
        (ItemsQuery, f"include[]={ONE}&include[]=everything", "include[1]"),
        (ItemsQuery, "limit[]=3", "limit[]"),
        (PageQuery, "after[]=a&after[]=b", "after[]"),
    ],
)
def test_what_is_no_list_is_given_once_and_errors_name_the_parameter(kind: Any, query: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_query(kind, asked(query))

    assert raised.value.param == param
    assert f"'{param}'" in raised.value.message


def test_there_are_so_many_parameters_and_no_more() -> None:
    with pytest.raises(InvalidRequest, match="more than 100 parameters"):
        parse_query(IncludeQuery, asked("&".join([f"include[]={ONE}"] * 101)))
