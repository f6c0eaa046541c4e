"""Tell everybody who uses this installation something."""

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import anyone, fresh, superuser
from models import messages
from models.tables.messages import MediaType, Severity

section = Section("globalmessages", __doc__)


class MessageDescription(Body):
    content: str = Field(max_length=65536, description="The text")
    media_type: MediaType = Field(description="How the text is to be read")
    severity: Severity = Field(description="How important it is")


class NewMessage(Body):
    message: MessageDescription = Field(description="What to tell")


class MessageView(View):
    uuid: str
    content: str
    severity: Severity
    media_type: MediaType


class MessagesView(View):
    messages: list[MessageView]


@section.at("/messages")
class Messages(Resource):
    @operation("getGlobalMessages", allow=anyone)
    def get(self) -> MessagesView:
        """Return what superusers tell everybody."""
        return MessagesView.model_validate({"messages": messages.list_messages(self.session)}, from_attributes=True)

    @operation("createGlobalMessage", allow=fresh(superuser), status=201)
    def post(self, body: NewMessage) -> None:
        """Create a message."""
        new = body.message
        messages.create_message(self.session, new.content, severity=new.severity, media_type=new.media_type)


@section.at("/message/<uuid>")
class SingleMessage(Resource):
    @operation("deleteGlobalMessage", allow=fresh(superuser))
    def delete(self, uuid: str) -> None:
        """Delete a message."""
        messages.remove_message(self.session, uuid)
