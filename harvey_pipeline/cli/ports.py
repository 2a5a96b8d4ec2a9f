"""Whether a port can be listened on, looked at before anything is started."""

import errno
import socket

from harvey_pipeline.cli.app import UnusableError


def refuse_taken_port(host: str, port: int) -> None:
    """Make sure that an address can be listened on.

    Raises:
        UnusableError: Another process listens there, the port is the system's, or the host is no
            address of this machine.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in addresses:
            with socket.socket(family, kind, protocol) as listener:
                # A port whose last connections are still being closed is free.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise UnusableError(
                f"{host} is no address of this machine. Give another --host."
            ) from error
        found = {
            errno.EADDRINUSE: "is taken by another process",
            errno.EACCES: "is reserved for the system",
        }.get(error.errno or 0, f"cannot be listened on ({error.strerror})")
        raise UnusableError(
            f"port {port} of {host} {found}. Give another --port, or stop what listens there."
        ) from error
