from redirect import *

right = client()
made = right.credentials.create("user_1", "First-password1")

wrong = client(AUTH_ID, "not-the-token-of-this-account")
stranger = client("MA_NOBODY", "not-the-token-of-this-account")
for other in (wrong, stranger):
    for call in (
        lambda: other.credentials.list(),
        lambda: other.credentials.get(made.id),
        lambda: other.credentials.create("user_2", "Second-password2"),
        lambda: other.credentials.delete(made.id),
        lambda: other.sip_trunks.list(),
        lambda: other.ip_access_control_lists.list(),
        lambda: other.origination_uris.list(),
        lambda: other.phone_numbers.list(),
    ):
        refused(other, 401, "AuthenticationError", call)
same(right.credentials.list().meta.total, len(right.credentials.list(limit=100).objects), "nothing was made")
right.credentials.get(made.id)
answered(right, 200)

# Another account's objects are not there.
token = requests.post(f"{URL}/api/v1/operator/accounts", json={"auth_id": "MA_OTHER"}, timeout=10,
                      headers={"X-Operator-Token": os.environ["SIPWARD_OPERATOR_TOKEN"]}).json()["auth_token"]
other = client("MA_OTHER", token)
same(other.credentials.list().meta.total, 0, "an account of its own")
for call in (other.credentials.get, other.credentials.delete, lambda id: other.credentials.update(id, enabled=False)):
    refused(other, 404, "ResourceNotFoundError", lambda: call(made.id))
right.credentials.get(made.id)
answered(right, 200)
finish()
