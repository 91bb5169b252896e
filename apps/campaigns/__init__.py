"""Floor 5: what we do about it. Where the next pound goes, and who is told what.

optimization/ proposes changes to campaigns and carries out what may be carried out; the mathematics is in
maths/. What things cost and earned is known below; how a platform is spoken to, too.
"""
