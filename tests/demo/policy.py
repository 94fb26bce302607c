"""The demo club's policy: seconds where a club has days; no clock is faked."""

from pathlib import Path

GRACE = 4  # seconds
TEXT = """\
apiVersion: gatekeeper/v1
kind: Club
metadata: {{name: lighthouse, description: "The demo's club: seconds where yours has days."}}
spec:
  language: en
  admins:
    people: [{people}]
    powerLevel: 50
  platforms:
    matrix:
      space: {{alias: lighthouse, name: The Lighthouse}}
      rooms:
        - {{alias: lighthouse-hall, name: Hall}}
        - {{alias: lighthouse-workshop, name: Workshop}}
      adminRoom: {{alias: lighthouse-keepers, name: Keepers}}
      welcomeRoom: lighthouse-hall
      inviteToRooms: false
  form:
    questions:
      - id: why
        kind: longText
        label: Why do you want to join?
        required: true
        minLength: 20
      - id: craft
        kind: choice
        label: "What do you do?"
        required: true
        options: [{{value: maker, label: I make things}}, {{value: reader, label: I read along}}]
      - {{id: rules, kind: consent, label: I have read the house rules, required: true}}
  declineReasons:
    - {{id: not-our-topic, text: "Your interests lie elsewhere; we would not be a good home."}}
    - {{id: too-early, text: "It is too early. Please try again in half a year."}}
  welcome: {{after: 3s, together: 3s}}
  invitation: {{remindAfter: 3s, endsAfter: 8s}}
  comeback: {{validFor: 30d}}
---
apiVersion: gatekeeper/v1
kind: AdmissionPolicy
metadata: {{name: who-may-join}}
spec:
  review: {{approvals: 2, declines: 1, remindAfter: 4s, openFor: 7d}}
  rule:
    match:
      - id: spam
        condition: application.text.matches("(?i)casino|crypto airdrop")
        output: {{decision: decline, message: looks-like-spam}}
      - id: people-decide
        output: {{decision: review}}
---
apiVersion: gatekeeper/v1
kind: PruningPolicy
metadata: {{name: dead-souls}}
spec:
  schedule: "{schedule}"
  settle: {settle}s
  grace: {grace}s
  mode: enforce
  params: {{inactive_after: 15s}}
  exclude:
    - {{id: admins, condition: member.admin, message: admin}}
    - {{id: on-leave, condition: member.on_leave, message: on-leave}}
    - {{id: exempt, condition: member.exempt, message: exempt}}
  rule:
    match:
      - id: grace-is-over
        condition: member.grace_over
        output: {{action: remove, message: silent-removal}}
      - id: silent
        condition: member.silent > params.inactive_after
        output: {{action: notify, message: silent-notice}}
      - id: alive
        output: {{action: keep}}
  maxAffected: {{count: 5, percent: null}}
"""


def text(*admins: str, settle: float = 3600, schedule: str = "0 0 6 * * *") -> str:
    """The policy; no Sweep touches anybody in the first `settle` seconds."""
    people = ", ".join(f'"matrix:{admin}"' for admin in admins)
    return TEXT.format(people=people, settle=settle, schedule=schedule, grace=GRACE)


def write(path: Path, *admins: str, settle: float = 3600, schedule: str = "0 0 6 * * *") -> None:
    """Write the policy to a file, in place of one whose cases then say nothing any more."""
    path.with_name(f"{path.stem}.cases.yaml").unlink(missing_ok=True)
    path.write_text(text(*admins, settle=settle, schedule=schedule), "utf-8")
