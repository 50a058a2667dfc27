from redirect import *

KEYS = {
    "trunk_id", "account_id", "name", "trunk_domain", "trunk_status", "secure", "trunk_direction",
    "concurrent_calls_limit", "cps_limit", "description", "transport", "recording", "enable_transcription",
    "pii_redaction", "recording_webhook_enabled", "webhook_method", "created_at", "updated_at",
}
c = client()
trunks = c.sip_trunks

made = [trunks.create("first")]
keys(answered(c, 201), KEYS)
first = made[0]
same((first.name, first.account_id, first.trunk_status), ("first", AUTH_ID, "active"), "what was made")
ok(first.trunk_domain.startswith(first.trunk_id[:8] + "."), first.trunk_domain)
same((first.concurrent_calls_limit, first.cps_limit, first.trunk_direction), (10, 2, "both"), "what was made")
same((first.webhook_method, first.transport, first.secure), ("POST", "udp", False), "what was made")
made.append(trunks.create("second", trunk_type="OUTBOUND", max_concurrent_calls=7, cps_limit=3, description="about it"))
keys(answered(c, 201), KEYS)
same((made[1].concurrent_calls_limit, made[1].cps_limit, made[1].description), (7, 3, "about it"), "what was made")
made.append(trunks.create("third", inbound_uri="sip:in.example.net", outbound_uri="sip:out.example.net",
                          trunk_direction="inbound", concurrent_calls_limit=0, transport="tls", secure=True))
same((made[2].trunk_direction, made[2].concurrent_calls_limit, made[2].transport), ("inbound", 0, "tls"), "what was made")

read = trunks.get(made[1].trunk_id)
keys(answered(c, 200), KEYS)
same(read.__dict__, made[1].__dict__, "what was made and what is read")

# This client pages trunks by page and size; limit and offset work, too.
pages(c, trunks.list, [each.trunk_id for each in made])
page = trunks.list(page=1, size=2)
answered(c, 200)
same([each.trunk_id for each in page.objects], [made[2].trunk_id, made[1].trunk_id], "the first page")
page = trunks.list(page=2, size=2)
same(page.objects[0].trunk_id, made[0].trunk_id, "the second page")

changed = trunks.update(made[0].trunk_id, enabled=False)
keys(answered(c, 200), KEYS)
same((changed.trunk_status, changed.name), ("inactive", "first"), "a part")
changed = trunks.update(made[0].trunk_id, trunk_status="enabled", name="renamed", max_concurrent_calls=4)
same((changed.trunk_status, changed.name, changed.concurrent_calls_limit), ("active", "renamed", 4), "several")
credential = c.credentials.create("for_trunk", "Trunk-password1")
trunks.update(made[0].trunk_id, credential_uuid=credential.id, webhook_url="https://example.net/hook")
keys(answered(c, 200), KEYS)
listed = [each for each in trunks.list(limit=100).objects if each.trunk_id == made[0].trunk_id][0]
same((listed.credential_uuid, listed.webhook_url), (credential.id, "https://example.net/hook"), "set ones in a list")

refused(c, 400, "ValidationError", lambda: trunks.create(""))
refused(c, 400, "ValidationError", lambda: trunks.create("x" * 300))
refused(c, 400, "ValidationError", lambda: trunks.create("bad", webhook_url="http://127.0.0.1/hook"))
refused(c, 400, "ValidationError", lambda: trunks.create("bad", trunk_direction="sideways"))
refused(c, 400, "ValidationError", lambda: trunks.update(made[0].trunk_id, cps_limit=-1))
for call in (trunks.get, trunks.delete, lambda id: trunks.update(id, enabled=True)):
    refused(c, 404, "ResourceNotFoundError", lambda: call(UNKNOWN))

same(trunks.delete(made[2].trunk_id), None, "delete")
answered(c, 204)
refused(c, 404, "ResourceNotFoundError", lambda: trunks.get(made[2].trunk_id))
finish()
