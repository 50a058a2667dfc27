"""The client of Vobiz as it is published, with its requests sent to sipward instead of api.vobiz.ai."""

import os

import requests
from requests.adapters import HTTPAdapter
from vobiz.exceptions import VobizRestError
from vobiz.rest.client import Client

VOBIZ = "https://api.vobiz.ai"
URL = os.environ["SIPWARD_URL"]
AUTH_ID = os.environ["VOBIZ_AUTH_ID"]
UNKNOWN = "00000000-0000-4000-8000-000000000000"

passed = 0


class ToSipward(HTTPAdapter):
    """Rewrites the address and notes what was answered."""

    def __init__(self):
        super().__init__()
        self.answers = []

    def send(self, request, **kwargs):
        assert request.url.startswith(VOBIZ), request.url
        request.url = URL + request.url[len(VOBIZ):]
        response = super().send(request, **kwargs)
        self.answers.append(response)
        return response


def client(auth_id=None, auth_token=None):
    made = Client(auth_id, auth_token)
    made.adapter = ToSipward()
    made.session.mount(VOBIZ, made.adapter)
    return made


def ok(condition, what):
    """Counts a check; the first that does not hold ends the script."""
    global passed
    if not condition:
        raise AssertionError(what)
    passed += 1


def same(found, expected, what):
    ok(found == expected, f"{what}: found {found!r}, expected {expected!r}")


def answered(client, status):
    """The last answer had this status and, unless it is empty, no key that is null."""
    last = client.adapter.answers[-1]
    same(last.status_code, status, f"{last.request.method} {last.request.url}")
    if status == 204:
        same(last.content, b"", "the body of a 204")
    else:
        ok(" null" not in last.text and ":null" not in last.text, f"a null in {last.text}")
    return last


def refused(client, status, error, call):
    """The call raises exactly this error, whose text is what the server says in `error`."""
    try:
        result = call()
    except VobizRestError as raised:
        same(type(raised).__name__, error, f"the error of a {status}")
        body = answered(client, status).json()
        ok(isinstance(body["error"], str) and body["error"], f"error is no text: {body}")
        same(body["code"], status, "code in the body")
        same(str(raised), body["error"], "the text of the exception")
    else:
        raise AssertionError(f"expected {error} ({status}), got {result!r}")


def keys(response, expected):
    same(set(response.json()), set(expected), "the keys of the object")


def operator(method, path, body=None):
    """What no client of Vobiz can do: numbers are made by the operator."""
    headers = {"X-Operator-Token": os.environ["SIPWARD_OPERATOR_TOKEN"]}
    return requests.request(method, f"{URL}/api/v1/Account/{AUTH_ID}/{path}", json=body, headers=headers, timeout=10)


def pages(client, method, expected_ids):
    """Walks a list two by two; every object comes once, newest first, and the page past the end is empty."""
    found, offset = [], 0
    while True:
        page = method(limit=2, offset=offset)
        answered(client, 200)
        same(set(client.adapter.answers[-1].json()), {"meta", "objects"}, "the keys of a list")
        same((page.meta.limit, page.meta.offset), (2, offset), "meta")
        if not page.objects:
            break
        same(len(page.objects), min(2, page.meta.total - offset), "objects on a page")
        found += [each["id"] if "id" in each.__dict__ else each["trunk_id"] for each in page.objects]
        offset += 2
    same(len(found), page.meta.total, "objects on all pages")
    same([each for each in found if each in expected_ids], list(reversed(expected_ids)), "newest first")


def finish():
    print(f"{passed} passed")
