from redirect import *

KEYS = {"id", "account_id", "uri", "priority", "weight", "enabled", "transport", "description", "created_at", "updated_at"}
c = client()
uris = c.origination_uris

made = [uris.create(uri="sip:carrier.example.net:5060")]
keys(answered(c, 201), KEYS)
same((made[0].uri, made[0].weight, made[0].enabled), ("sip:carrier.example.net:5060", 10, True), "what was made")
same((made[0].transport, made[0].description), ("udp", ""), "what was made")
made.append(uris.create("sip:user@carrier.example.net", priority=2, weight=30, enabled=False))
keys(answered(c, 201), KEYS)
same((made[1].priority, made[1].weight, made[1].enabled), (2, 30, False), "what was made")
made.append(uris.create("sip:third.example.net", transport="TCP", description="third"))
same((made[2].transport, made[2].description), ("tcp", "third"), "what was made")

read = uris.get(made[1].id)
keys(answered(c, 200), KEYS)
same(read.__dict__, made[1].__dict__, "what was made and what is read")
pages(c, uris.list, [each.id for each in made])

changed = uris.update(made[1].id, weight=40)
keys(answered(c, 200), KEYS)
same((changed.weight, changed.priority, changed.uri), (40, 2, "sip:user@carrier.example.net"), "a part")
changed = uris.update(made[1].id, name="second", priority=5, enabled=True)
same((changed.description, changed.priority, changed.enabled), ("second", 5, True), "several")

trunk = c.sip_trunks.create("for-uris", primary_uri_uuid=made[0].id)
page = uris.list(trunk_id=trunk.trunk_id)
same([each.id for each in page.objects], [made[0].id], "those of one trunk")

refused(c, 400, "ValidationError", lambda: uris.create("http://carrier.example.net"))
refused(c, 400, "ValidationError", lambda: uris.create(""))
refused(c, 400, "ValidationError", lambda: uris.update(made[0].id, uri="carrier"))
refused(c, 400, "ValidationError", lambda: uris.create("sip:carrier.example.net", transport="pigeon"))
for call in (uris.get, uris.delete, lambda id: uris.update(id, enabled=True)):
    refused(c, 404, "ResourceNotFoundError", lambda: call(UNKNOWN))

same(uris.delete(made[2].id), None, "delete")
answered(c, 204)
refused(c, 404, "ResourceNotFoundError", lambda: uris.get(made[2].id))
finish()
