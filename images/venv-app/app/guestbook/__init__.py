"""A book that guests write in: pages, JSON and feeds by WSGI."""
