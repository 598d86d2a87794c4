"""The push API, `POST /api/event`: what senders other than GitHub say, in a form of its own.

Who may send: a client with a token (`Authorization: Bearer`), limited to repositories if its entry in `DORA_API_TOKENS`
names globs; a workflow with a token that its forge gave it (client `oidc:owner/name`, its own repository); or whoever
signs the raw body with the webhook secret in `X-Hub-Signature-256` (client `webhook`, every repository).

What is sent: one event, or an array of 1 to 100 that are kept or refused together. The rules, all checked before any
effect, all broken ones told at once with JSON pointers (at most 200):

- `type` (needed): `deployment.started`, `deployment.succeeded`, `deployment.failed`, `deployment.marked_failed`,
  `deployment.recovered`, `incident.opened`, `incident.resolved`, `change.merged`.
- `repository` (needed): `owner/name`, or its clone URL with `https`, `http`, `ssh` or `git`, or `git@host:owner/name`;
  `.git` and a slash at the end, a port and credentials are dropped, the host does not matter.
- `occurred_at` (needed): RFC 3339 with an offset, at most 5 minutes ahead of the receipt. Of a `change.merged` it is
  the merge.
- `environment`, `service`: at most 64 characters of `A-Z a-z 0-9 . _ / -` and space; `production` and empty if absent.
  An environment may not be empty. Every type takes them, so that a pipeline can send the same to all; a
  `change.merged` happens in no environment, there they are checked and have no effect.
- `id`: idempotency key, 1 to 255 characters, unique per client. The header `Idempotency-Key` serves too (`KEY/0`,
  `KEY/1`, ... for an array); an event's own `id` wins over it. The same key must come with the same content (every
  other member with the same value, in any order).
- `deployment_id`: needed by `deployment.*`, possible for `incident.*`. This and the other ids are strings of 1 to 128
  characters, or integers, which mean their decimal digits.
- `sha`: 7 to 64 hexadecimal digits, in any case; needed by `deployment.succeeded` and `change.merged`, possible for
  every `deployment.*`.
- `changes` (`deployment.succeeded`): at most 500 objects with `id` (as other ids) and, if known, `merged_at` and
  `committed_at`.
- `kind` (`deployment.succeeded`): `planned`, `hotfix`, `revert`, `rollback`.
- `fixes` (`deployment.succeeded`): id of the deployment that this one repairs; not its own.
- `incident_id`: needed by `incident.*`.
- `committed_at` (`change.merged`): author date of the change's first commit.

Anything else is refused: another field, a field of another type of event, another JSON type, null. An absent value is
left out. Refusing is kinder than ignoring here: whoever sends `fixes` with a failed deployment waits for an effect.

The same events may come in CloudEvents (`cloudevents`), and CDEvents stand for events of ours (`cdevents`). Problems
point into what was sent, whatever was around it (`places`).
"""

from __future__ import annotations

from dora.adapters.events.clients import Client, parse_clients
from dora.adapters.events.pushed import Batch, PushedEvent, PushedEvents
from dora.adapters.events.schema import EVENT_SCHEMA, SCHEMAS

__all__ = ["EVENT_SCHEMA", "SCHEMAS", "Batch", "Client", "PushedEvent", "PushedEvents", "parse_clients"]
