"""The page on which a user draws a digit, and the server of this page on 127.0.0.1.

    server   runs the server in a thread, until the command ends the server
    app      the answers to requests of the page; it forwards scoring requests to the endpoint
    guard    refuses requests that do not come from the page
    *.html, *.css, *.js   the page itself

The browser never gets the key of the endpoint: the workspace adds the key to each request.
"""

from mnist_exp.drawing.app import Page
from mnist_exp.drawing.server import PageServer

__all__ = ["Page", "PageServer"]
