"""Pages behind the links in our mails: confirm an address, choose a new password.

Opening a link changes nothing, since programs that look for dangers in mail open links, too; the page's button does.
"""

from flask import Blueprint, Response, request

from models import brakes, recovery, signin
from models.brakes import ASKING, MAILING, Counted
from models.codes import get_code
from models.errors import Invalid
from models.passwords import MIN_LENGTH, hash_password
from registry.services import Services
from registry.session_cookie import cookie_header
from web.errors import answer_errors
from web.page import TEMPLATES, browser, check_form, leave, page

LONGEST = 255


def blueprint(services: Services) -> Blueprint:
    """The pages, where mail is sent; a new password only where people sign in by one."""
    pages = Blueprint("recovery", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)
    if services.settings.FEATURE_MAILING:
        _confirm_addresses(pages, services)
        if services.settings.FEATURE_DIRECT_LOGIN:
            _replace_passwords(pages, services)
    return pages


def _replace_passwords(pages: Blueprint, services: Services) -> None:
    @pages.get("/recovery", strict_slashes=False)
    def show() -> Response:
        code = request.args.get("code")
        return page(services, "recovery.html") if code is None else _ask_for_password(services, code)

    @pages.post("/recovery", strict_slashes=False)
    def send() -> Response:
        check_form(services)
        email = _address_to_mail(services)
        with services.database.write() as session:
            recovery.request_recovery(session, services.settings, email)
        return _on_its_way(services, f"If {email} is the address of an account here")

    @pages.post("/recovery/password")
    def choose() -> Response:
        check_form(services)
        return _set_password(services, _field("code"), _field("password"))


def _confirm_addresses(pages: Blueprint, services: Services) -> None:
    @pages.get("/confirm", strict_slashes=False)
    def ask() -> Response:
        code = request.args.get("code", "")
        with services.database.read() as session:
            row = get_code(session, code, ["confirm", "change"])
            return page(services, "confirm.html", code=code, email=row.email, username=row.user.name)

    @pages.post("/confirm", strict_slashes=False)
    def confirm() -> Response:
        check_form(services)
        return _confirm(services, _field("code"))

    @pages.get("/confirm/again", strict_slashes=False)
    def show_again() -> Response:
        return page(services, "confirm_again.html")

    @pages.post("/confirm/again", strict_slashes=False)
    def send_again() -> Response:
        check_form(services)
        email = _address_to_mail(services)
        with services.database.write() as session:
            recovery.request_confirmation(session, services.settings, email)
        return _on_its_way(services, f"If {email} is the address of an account here and waits for its confirmation")


def _field(name: str) -> str:
    value = request.form.get(name, "")
    if "\0" in value:
        raise Invalid(f"{name}: the NUL character is not allowed")
    return value


def _address_to_mail(services: Services) -> str:
    """The address that a form names, if it may be sent a mail now (TooMany)."""
    email = _field("email").strip()
    if not 0 < len(email) <= LONGEST:
        raise Invalid("Please give the e-mail address of your account")
    site = Counted(ASKING, brakes.site_of(request.remote_addr))
    brakes.slow_down(services.database, site, Counted(MAILING, email))
    return email


def _on_its_way(services: Services, condition: str) -> Response:
    text = f"{condition}, a mail with a link is on its way there."
    return page(services, "told.html", heading="Look into your mail", text=text)


def _ask_for_password(services: Services, code: str, *, status: int = 200, problem: str = "") -> Response:
    with services.database.read() as session:
        user = get_code(session, code, ["recover"]).user
    return page(
        services,
        "new_password.html",
        status=status,
        code=code,
        username=user.name,
        problem=problem,
        shortest=MIN_LENGTH,
    )


def _set_password(services: Services, code: str, password: str) -> Response:
    settings, here = services.settings, browser(services)
    with services.database.read() as session:
        get_code(session, code, ["recover"])  # nobody else has us hash passwords
    try:
        password_hash = hash_password(password)
        with services.database.write() as session:
            user = recovery.recover(session, settings, code, password_hash, ip=here.ip)
            actor = services.superusers.identify(user).at(here.ip)
            cookie = signin.admit_user(session, settings, user, here, actor=actor)
    except Invalid as exc:
        return _ask_for_password(services, code, status=400, problem=exc.detail)
    return leave("/", cookie_header(settings, cookie, lasting=True))


def _confirm(services: Services, code: str) -> Response:
    ip = request.remote_addr
    user = services.database.apply(lambda session: recovery.confirm(session, services.settings, code, ip=ip))
    text = f"{user.email} is now the confirmed e-mail address of the account {user.name}."
    return page(services, "told.html", heading="Confirmed", text=text, target="/signin", button="Sign in")
