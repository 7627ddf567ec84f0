"""The weights of a DCGAN become a run: python examples/bring_weights.py weights.tar netG_state_dict"""

import sys

from zatlas.create import import_model

workspace = import_model(sys.argv[1], "runs/faces", net="dcgan", key=sys.argv[2])
print(workspace.run.folder)
