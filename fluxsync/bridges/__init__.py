"""What differs between WSGI servers: their processes and sockets; and the relay."""
