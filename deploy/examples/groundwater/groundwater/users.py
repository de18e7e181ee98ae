"""Make a user on the command line, the first admin above all.

    python -m groundwater.users ada --role admin

The password is asked for; or it's the first line of the standard input, if that's no terminal.
"""

from __future__ import annotations

import argparse
import getpass
import sys

import pydantic

from . import database
from .errors import Conflict
from .models import Role
from .schemas import NewUser
from .services.accounts import add_user


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m groundwater.users")
    parser.add_argument("name")
    parser.add_argument("--role", choices=[role.value for role in Role], default="viewer")
    arguments = parser.parse_args()
    if sys.stdin.isatty():
        password = getpass.getpass("Password (12 characters or more): ")
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        new = NewUser(name=arguments.name, password=password, role=Role(arguments.role))
    except pydantic.ValidationError as e:
        parser.error("; ".join(f"{x['loc'][0]}: {x['msg']}" for x in e.errors()))
    database.create_schema()
    try:
        add_user(new.name, new.password, new.role)
    except Conflict as e:
        parser.error(str(e))
    print(f"{new.name} may log in, as {new.role.value}.")


if __name__ == "__main__":
    main()
