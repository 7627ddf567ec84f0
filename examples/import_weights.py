"""Import the weights of a DCGAN as a run: python examples/import_weights.py weights.tar netG_state_dict"""

import sys

from zatlas.create import import_run

workspace = import_run(sys.argv[1], "runs/faces", net="dcgan", key=sys.argv[2])
print(workspace.run.folder)
