"""Import the weights of a DCGAN as a run: python examples/import_weights.py weights.tar"""

import sys

import zatlas

atlas = zatlas.import_model(sys.argv[1], "runs/faces")
print(atlas.workspace.run.folder)
