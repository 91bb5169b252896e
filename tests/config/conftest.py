from tests.config.checkout import checkout

__all__ = ["checkout"]
