"""What `make run` starts: the web server, the worker and the beat as children, over the embedded services.

It restarts what dies or stalls, stops everything on Ctrl-C and leaves no process behind. The product does not
import it: in production each of its children runs under the machine's own service manager.
"""
