"""The explorer's server: a run's page on this machine, with a socket for what a page cannot do alone.

serve     starts and stops it          app       files and the socket, as one application
follow    a run that is being trained  client    a page's socket
guard     who may ask                  lanes     what waits for a thread
protocol  deadlines and bounds         shown     what is asked of a run
"""
