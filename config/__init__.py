import os

# Before numpy is first imported: its BLAS would start a thread a core in each process, web or worker, which
# spin while they wait (measured on 10,000 journeys: 2.5 times the CPU for the same answer).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
