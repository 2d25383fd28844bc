"""What runs inside the jail, and nothing else does: the standard library is all it may import.

server    keeps Python and its libraries warm and forks one child per job
memory    lays out the server's memory so that a fork costs little
holder    makes the fresh namespaces that a child enters
walls     puts a child behind its walls, before it has seen its job
libraries loads the libraries that scripts use, with the parts and caches that they make on first use
rehearse  small trusted work that pays a child's page faults before anyone waits
job       reads the job and sends back its answer
script    compiles and checks the script, and runs its main()
display   what a script displays, and how it is sent
figures   matplotlib's figures among that
notebook  what of IPython scripts ask for where there is none
files     the job's working directory: the request's files go in, new ones come out
modules   has the request's own modules take the place of loaded ones
denied    finds the names that scripts may not use
encode    turns what main() returned into JSON
convert   single values that JSON has no word for
keys      the keys of objects
columns   arrays and data frames as JSON, column by column
report    turns an exception into what the user sees of it
hints     names the wall that an error comes from
installed what can be imported, for whoever has imported something else
linux     the system calls that Python's own library lacks

The modules reach the jail over the control socket (see boot.py), so none of them lies in its file system.
"""
