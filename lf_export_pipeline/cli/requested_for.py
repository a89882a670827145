"""For whom an export is requested: whether project and user are there, or what was meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.postgres.directory import LISTED_MAX, Person
from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value

_FEW = 8


def require_project(database: LangfusePostgres, project_id: str) -> None:
    """Nothing, if Langfuse has the project.

    Raises:
        PermanentError: It has not; the sentence names ids that are close, or all if they are few.
    """
    if database.directory.has_project(project_id):
        return
    known = database.directory.project_ids()
    raise PermanentError(
        f"There is no project {quote_value(project_id)}. {_meant(project_id, known)}"
    )


def require_user(
    database: LangfusePostgres, user_id: str, project_id: str, *, is_member: bool
) -> None:
    """Nothing, if Langfuse has the user and lets them see the project.

    Args:
        database: Langfuse's.
        user_id: The user's id.
        project_id: A project that is there.
        is_member: Whether users get links only of projects that they may see.

    Raises:
        PermanentError: Nobody would get the e-mail; the sentence says who was probably meant.
    """
    found = database.directory.people([user_id]).get(user_id)
    if found is None:
        members = database.directory.members(project_id)
        raise PermanentError(
            f"There is no user with the id {quote_value(user_id)}. {_who(user_id, members)}"
        )
    if is_member and found.email and database.exports.recipient(user_id, project_id) is None:
        raise PermanentError(
            f"The user {quote_value(user_id)} has no role by which the project "
            f"{quote_value(project_id)} can be seen, so nobody would get the link; name another "
            "user, or leave --user out."
        )


def _meant(typed: str, known: list[str]) -> str:
    close = _close(typed, known)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if not known:
        return "This Langfuse has no projects; check DATABASE_URL."
    if len(known) <= _FEW:
        return f"There are: {join_limited(known)}."
    many = f"{len(known):,}" if len(known) < LISTED_MAX else "many"
    return f"None of the {many} projects has a similar id; it is in the address of their pages."


def _who(typed: str, members: list[Person]) -> str:
    """By id, e-mail address or name: people type what they know of a user."""
    by_word = {word.casefold(): one for one in members for word in _words(one)}
    close = [by_word[word] for word in _close(typed.casefold(), list(by_word))]
    if close:
        people = dict.fromkeys(f"{one.id} ({one.known_as})" for one in close)
        return f"Did you mean {' or '.join(people)}?"
    if 0 < len(members) <= _FEW:
        people = dict.fromkeys(f"{one.id} ({one.known_as})" for one in members)
        return f"Users of the project: {join_limited(list(people))}."
    return "Its id is needed, not the e-mail address; without --user nobody gets an e-mail."


def _words(person: Person) -> Iterable[str]:
    return (word for word in (person.id, person.email, person.name) if word)


def _close(typed: str, known: list[str]) -> list[str]:
    if typed in known:
        return [typed]
    return get_close_matches(typed[:200], known, n=3, cutoff=0.7)
