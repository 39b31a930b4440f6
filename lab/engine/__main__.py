import sys

from lab.engine.main import main

sys.exit(main())
