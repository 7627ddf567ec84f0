"""The explorer's server: a run's page on this machine, with a WebSocket for what the page cannot compute.

session   the explorer of the command line    app       files and the WebSocket as one application
serve     starts and stops a server           client    one WebSocket
follow    a run that is being trained         queues    jobs that wait for a thread
access    who may connect                     handlers  answers to requests about a run
protocol  deadlines and limits                requests  parsing and checking requests
"""
