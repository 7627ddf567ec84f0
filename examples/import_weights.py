"""Import the weights of a DCGAN as a run: python examples/import_weights.py weights.tar netG_state_dict"""

import sys

import zatlas

atlas = zatlas.import_model(sys.argv[1], "runs/faces", net="dcgan", key=sys.argv[2])
print(atlas.workspace.run.folder)
