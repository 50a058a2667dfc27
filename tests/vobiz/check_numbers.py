from redirect import *

KEYS = {
    "id", "account_id", "e164", "country", "region", "capabilities", "status", "provider", "setup_fee", "monthly_fee",
    "currency", "voice_enabled", "tags", "purchased_at", "is_blocked", "created_at", "updated_at", "is_trial_number",
    "minimum_commitment_months", "aadhaar_verification_required", "aadhaar_verified", "source",
}
c = client()
numbers = c.phone_numbers
NUMBER, OTHER = "+493012345678", "+12025550123"

numbers.list()
same(answered(c, 200).json(), {"items": [], "page": 1, "per_page": 20, "total": 0}, "no numbers yet")
for number in (NUMBER, OTHER):
    same(operator("POST", "numbers", {"e164": number}).status_code, 201, "a number of the operator")
trunk = c.sip_trunks.create("for-numbers")

page = numbers.list(page=1, per_page=1, include_subaccounts=True)
body = answered(c, 200).json()
same(set(body), {"items", "page", "per_page", "total"}, "the keys of the list")
same((page.page, page.per_page, page.total, len(page.items)), (1, 1, 2, 1), "a page")
same(set(body["items"][0]), KEYS, "the keys of a number")
ok(numbers.list(page=2, per_page=1).items[0].e164 != page.items[0].e164, "another on the next page")
same(numbers.list(page=3, per_page=1).items, [], "past the end")
same([each.e164 for each in numbers.list(search="4930").items], [NUMBER], "search")

same(numbers.assign_to_trunk(NUMBER, trunk.trunk_id), None, "assign")
answered(c, 204)
found = {each["e164"]: each for each in (numbers.list(), answered(c, 200).json())[1]["items"]}
same(found[NUMBER]["trunk_group_id"], trunk.trunk_id, "its trunk")
ok("trunk_group_id" not in found[OTHER], "the other one has none")
refused(c, 400, "ValidationError", lambda: numbers.assign_to_trunk(NUMBER, trunk.trunk_id))
refused(c, 404, "ResourceNotFoundError", lambda: numbers.assign_to_trunk(OTHER, UNKNOWN))
refused(c, 404, "ResourceNotFoundError", lambda: numbers.assign_to_trunk("+4930999999", trunk.trunk_id))
refused(c, 400, "ValidationError", lambda: numbers.assign_to_trunk("12ab", trunk.trunk_id))

same(numbers.unassign_from_trunk(NUMBER), None, "unassign")
answered(c, 204)
refused(c, 404, "ResourceNotFoundError", lambda: numbers.unassign_from_trunk(NUMBER))
refused(c, 404, "ResourceNotFoundError", lambda: numbers.unassign_from_trunk("+4930999999"))

# The number in the path as other clients encode it: once, and twice.
for encoded in ("%2B493012345678", "%252B493012345678"):
    numbers.assign_to_trunk(encoded, trunk.trunk_id)
    answered(c, 204)
    numbers.unassign_from_trunk(encoded)
    answered(c, 204)
finish()
