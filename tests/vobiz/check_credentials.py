from redirect import *

KEYS = {"id", "account_id", "username", "password", "realm", "enabled", "created_at", "updated_at"}
c = client()

made = [c.credentials.create(username="user_1", password="First-password1")]
keys(answered(c, 201), KEYS)
same(made[0].username, "user_1", "username")
same(made[0].password, "<redacted>", "password")
same(made[0].account_id, AUTH_ID, "account_id")
ok(made[0].realm.startswith(AUTH_ID + "."), made[0].realm)
same(made[0].enabled, True, "enabled")
made.append(c.credentials.create("user-2", "Second-password2", enabled=False, description="about it"))
keys(answered(c, 201), KEYS)
same(made[1].enabled, False, "enabled")
made.append(c.credentials.create("User.3+x", "Third-password3"))

read = c.credentials.get(made[0].id)
keys(answered(c, 200), KEYS)
same(read.__dict__, made[0].__dict__, "what was made and what is read")

pages(c, c.credentials.list, [each.id for each in made])
c.credentials.list()
same(answered(c, 200).json()["meta"]["limit"], 20, "limit where none is asked for")

changed = c.credentials.update(made[1].id, enabled=True)
keys(answered(c, 200), KEYS)
same((changed.enabled, changed.username), (True, "user-2"), "what was changed and what was not")
ok(changed.updated_at > made[1].updated_at, "updated_at moves")
same(changed.created_at, made[1].created_at, "created_at")
c.credentials.update(made[1].id, password="Another-password2")
keys(answered(c, 200), KEYS)

refused(c, 409, "InvalidRequestError", lambda: c.credentials.create("user_1", "First-password1"))
refused(c, 400, "ValidationError", lambda: c.credentials.create("user_4", "short"))
refused(c, 400, "ValidationError", lambda: c.credentials.create("not a name", "First-password1"))
refused(c, 400, "ValidationError", lambda: c.credentials.create("", "First-password1"))
refused(c, 400, "ValidationError", lambda: c.credentials.update(made[0].id, password="short"))
for call in (c.credentials.get, c.credentials.delete, lambda id: c.credentials.update(id, enabled=True)):
    refused(c, 404, "ResourceNotFoundError", lambda: call(UNKNOWN))
    refused(c, 404, "ResourceNotFoundError", lambda: call("no-uuid"))

same(c.credentials.delete(made[0].id), None, "delete")
answered(c, 204)
refused(c, 404, "ResourceNotFoundError", lambda: c.credentials.get(made[0].id))
refused(c, 404, "ResourceNotFoundError", lambda: c.credentials.delete(made[0].id))
c.credentials.create("user_1", "First-password1")
answered(c, 201)
finish()
