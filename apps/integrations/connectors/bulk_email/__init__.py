"""Many messages through one e-mail provider: built already, one address each, and a fate for every one."""
