"""Every operation that changes something writes an entry into the action log, in the same transaction.

A story tells each of them once (`tests/contract/story.py`). What is noted in no entry is listed, with the reason.
"""

import json
import re
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import RSAKey
from sqlalchemy import select

from api import v1
from models import published_keys
from models.applications import find_application
from models.assignments import assign_token
from models.log_kinds import KINDS
from models.passwords import hash_password
from models.session import Database
from models.tables import Delivery, LogEntry
from models.tokens import issue_oauth_token
from models.users import get_user
from tests.contract.conftest import Install
from tests.contract.story import STORY, Call
from tests.factories.accounts import identity_of
from tests.factories.api import Api
from tests.factories.browser import PASSWORD, Browser
from tests.factories.pusher import Pusher
from tests.factories.world import CLIENT_ID, make_world

NOTHING_CHANGES = "nothing changes but what is on its way"
OWN_AFFAIR = "a person's own bookmark or mark, for which Quay has no kind"
NO_KIND = "Quay has no kind for it"
READS = "it only looks"
NOT_NOTED = {
    "analyzeBuildTrigger": READS,
    "listBuildTriggerSubdirs": READS,
    "listTriggerBuildSources": READS,
    "listTriggerFieldValues": READS,
    "createBuildTrigger": "it does nothing until it is activated, which is noted, as in Quay",
    "createGlobalMessage": NO_KIND,
    "deleteGlobalMessage": NO_KIND,
    "createStar": OWN_AFFAIR,
    "deleteStar": OWN_AFFAIR,
    "updateUserNotification": OWN_AFFAIR,
    "linkExternalUser": "it always refuses: there are no external users to link",
    "queueRegistrySizeCalculation": NOTHING_CHANGES,
    "redeliverTriggerDelivery": NOTHING_CHANGES,
    "replayOrgNotificationDelivery": NOTHING_CHANGES,
    "replayRepoNotificationDelivery": NOTHING_CHANGES,
    "replayUserNamespaceNotificationDelivery": NOTHING_CHANGES,
    "requestConfirmationEmail": NOTHING_CHANGES,
    "requestRecoveryEmail": NOTHING_CHANGES,
    "retrieveExternalLoginAuthorizationUrl": NOTHING_CHANGES,
    "sendAuthorizeRepoEmail": NOTHING_CHANGES,
    "sendInstallUserRecoveryEmail": NOTHING_CHANGES,
    "testOrgNotification": NOTHING_CHANGES,
    "testRepoNotification": NOTHING_CHANGES,
    "testUserNamespaceNotification": NOTHING_CHANGES,
    "verifyUser": "the session is trusted for a while longer; Quay has no kind for it",
}
ELSEWHERE = {
    "detachExternalLogin": "tests/contract/oauth",
    "initializeUser": "tests/contract/test_registration.py: it needs an installation without users",
}
"""What has a story of its own."""


OPERATIONS = [(verb, url, op) for section in v1.SECTIONS for verb, url, op in section.operations]


METADATA = {
    "add_repo_notification": {"event", "method", "namespace", "notification_id", "repo"},
    "build_dockerfile": {"build_id", "docker_tags", "is_manual", "manual_user", "namespace", "repo"},
    "change_repo_permission": {"namespace", "repo", "role"},
    "create_prototype_permission": {"activating_username", "delegate_user", "prototypeid", "role", "username"},
    "create_repo": {"namespace", "repo"},
    "create_robot": {"description", "robot", "unstructured_metadata"},
    "delete_prototype_permission": {"activating_username", "delegate_user", "prototypeid", "role", "username"},
    "delete_repo_notification": {"event", "method", "namespace", "notification_id", "repo"},
    "delete_repo_permission": {"namespace", "repo"},
    "delete_repo_trigger": {"repo", "service", "trigger_id"},
    "delete_robot": {"robot"},
    "delete_tag": {"digest", "namespace", "repo", "tag", "username"},
    "login_success": {"type", "useragent"},
    "manifest_label_add": {"id", "key", "manifest_digest", "media_type", "namespace", "repo", "value"},
    "manifest_label_delete": {"id", "key", "manifest_digest", "namespace", "repo", "value"},
    "modify_prototype_permission": {"activating_username", "original_role", "prototypeid", "role", "username"},
    "org_add_team_member": {"member", "team"},
    "push_repo": {"mediaType", "namespace", "repo", "tag"},
    "regenerate_robot_token": {"robot"},
    "reset_repo_notification": {"event", "method", "namespace", "notification_id", "repo"},
    "revert_tag": {"manifest_digest", "repo", "tag", "username"},
    "setup_repo_trigger": {"config", "namespace", "pull_robot", "repo", "service", "trigger_id"},
    "toggle_repo_trigger": {"enabled", "repo", "service", "trigger_id"},
}
"""What recorded entries of Quay tell, whoever did it by whatever token."""


@pytest.fixture
def story(install: Install, database: Database) -> "Story":
    """The company, where mail is sent and everybody has a password; with an image, and what waits for an answer."""
    with database.write() as session:
        make_world(session)
    return Story(install(FEATURE_MAILING=True, FEATURE_USER_METADATA=True, BUILD_ENGINE="buildkit"))


class Story:
    """What has been kept so far, and the log before the next call."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.api = Api(app)
        self.kept: dict[str, Any] = {}
        self.told: set[str] = set()
        self.wrong: dict[str, list[str]] = {}
        """What is not noted and should be, or is in NOT_NOTED and noted."""

    def tell(self, call: Call) -> None:
        """Make the call, and see that it is noted, or not."""
        self.kept["invite"] = self.invitation()
        before = self.entries()
        method = self.method(call)
        body = json.loads(json.dumps(call.body).replace("{digest}", self.kept["digest"]))
        answer = self.api.call(method, call.path.format(**self.kept), json=body, by=call.by)
        assert 200 <= answer.status < 300, f"{call.operation}: {answer.status} {answer.text}"
        for name, take in call.keep.items():
            self.kept[name] = take(answer.body)
        if call.operation:
            self.told.add(call.operation)
            self.check(call.operation, self.entries()[len(before) :])

    def check(self, operation: str, noted: list[str]) -> None:
        if bool(noted) == (operation in NOT_NOTED):
            self.wrong[operation] = noted
        assert set(noted) <= KINDS

    def compare(self) -> None:
        """What the entries tell with what Quay's do."""
        with self.api.database.read() as session:
            entries = session.scalars(select(LogEntry).order_by(LogEntry.id)).all()
        assert METADATA.keys() <= {entry.kind for entry in entries}
        lacking = {entry.kind: METADATA.get(entry.kind, set()) - entry.detail.keys() for entry in entries}
        assert {kind: names for kind, names in lacking.items() if names} == {}
        by_token = [entry for entry in entries if "oauth_token_id" in entry.detail]
        assert len({entry.kind for entry in by_token}) > 60
        assert {entry.ip for entry in by_token} == {"127.0.0.1"}

    def sign_out(self) -> None:
        """In a browser; nothing else is ever signed out."""
        browser = Browser(self.app)
        browser.sign_in("owner")
        before = self.entries()
        assert browser.call("POST", "/signout").status_code == 200
        self.told.add("logout")
        self.check("logout", self.entries()[len(before) :])

    def entries(self) -> list[str]:
        """The kinds of all entries so far."""
        with self.api.database.read() as session:
            return list(session.scalars(select(LogEntry.kind).order_by(LogEntry.id)))

    def method(self, call: Call) -> str:
        return next((verb.upper() for verb, _, op in OPERATIONS if op.name == call.operation), "GET")

    def invitation(self) -> str:
        """The code of the last invitation that was mailed."""
        with self.api.database.read() as session:
            rows = session.scalars(select(Delivery).where(Delivery.kind == "mail").order_by(Delivery.id.desc()))
            texts = [session.vault.decrypt(row.encrypted_message or "") for row in rows]
        found = [match[1] for text in texts if (match := re.search(r"confirminvite\?code=(\w+)", text))]
        return found[0] if found else ""


def prepare(story: Story) -> None:
    """An image, passwords, and what waits for somebody's answer."""
    api = story.api
    with api.database.write() as session:
        writer, owner = (get_user(session, name) for name in ("writer", "owner"))
        for name in ("owner", "reader"):
            get_user(session, name).password_hash = hash_password(PASSWORD)
        application = find_application(session, CLIENT_ID)
        assert application
        row, _ = issue_oauth_token(
            session,
            application,
            writer,
            "repo:read",
            expires_at=None,
            log_to=writer,
            actor=identity_of(writer),
        )
        story.kept["authorization"] = row.uuid
        jwk = RSAKey.generate_key(2048).as_dict(private=False)
        published_keys.submit_key(session, "s", "waiting", jwk, expires_at=None, actor=identity_of(owner))
        assignment = assign_token(
            session,
            application,
            writer,
            "repo:read",
            redirect_uri="https://example.com",
            response_type="token",
            actor=identity_of(owner),
        )
        story.kept["assignment"] = assignment.uuid
    pusher = Pusher(api.services, identity_of(owner))
    story.kept["digest"] = pusher.image("latest", b"layer")


def test_every_change_is_in_the_log(story: Story) -> None:
    prepare(story)
    for call in STORY:
        story.tell(call)
    story.sign_out()
    assert story.wrong == {}
    story.compare()
    changing = {op.name for verb, _, op in OPERATIONS if verb != "get"}
    missing = changing - story.told - ELSEWHERE.keys() - NOT_NOTED.keys()
    assert not missing, f"tell the story of {sorted(missing)}"
    assert NOT_NOTED.keys() <= changing
