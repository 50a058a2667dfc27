from redirect import *

KEYS = {"id", "account_id", "ip_address", "description", "enabled", "created_at", "updated_at"}
c = client()
acl = c.ip_access_control_lists

made = [acl.create(ip_address="198.51.100.42")]
keys(answered(c, 201), KEYS)
same((made[0].ip_address, made[0].description, made[0].enabled), ("198.51.100.42", "", True), "what was made")
made.append(acl.create("203.0.113.0/24", description="office", enabled=False))
keys(answered(c, 201), KEYS)
same((made[1].ip_address, made[1].description, made[1].enabled), ("203.0.113.0/24", "office", False), "what was made")
made.append(acl.create("192.0.2.9", name="named"))
same(made[2].description, "named", "name is shown as description")

read = acl.get(made[1].id)
keys(answered(c, 200), KEYS)
same(read.__dict__, made[1].__dict__, "what was made and what is read")
pages(c, acl.list, [each.id for each in made])

changed = acl.update(made[1].id, enabled=True)
keys(answered(c, 200), KEYS)
same((changed.enabled, changed.ip_address, changed.description), (True, "203.0.113.0/24", "office"), "a part")
changed = acl.update(made[1].id, name="branch", ip_address="203.0.113.0/25")
same((changed.ip_address, changed.description), ("203.0.113.0/25", "branch"), "a replacement")

refused(c, 400, "ValidationError", lambda: acl.create("300.1.2.3"))
refused(c, 400, "ValidationError", lambda: acl.create("203.0.113.0/33"))
refused(c, 400, "ValidationError", lambda: acl.create(""))
refused(c, 400, "ValidationError", lambda: acl.update(made[0].id, ip_address="nowhere"))
for call in (acl.get, acl.delete, lambda id: acl.update(id, enabled=True)):
    refused(c, 404, "ResourceNotFoundError", lambda: call(UNKNOWN))

same(acl.delete(made[0].id), None, "delete")
answered(c, 204)
refused(c, 404, "ResourceNotFoundError", lambda: acl.get(made[0].id))
refused(c, 404, "ResourceNotFoundError", lambda: acl.delete(made[0].id))
finish()
