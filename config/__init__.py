import os

# Before numpy is first imported: its BLAS would start a thread a core in each web process and worker, and they
# spin while they wait (measured on 10,000 journeys: 2.5 times the CPU for the same answer).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
