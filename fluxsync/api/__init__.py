"""The API's side: the Flask application, routers, other applications, and WebSockets."""

from .application import Problem, problem
from .routers import router

__all__ = ["Problem", "problem", "router"]
