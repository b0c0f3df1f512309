"""Key management: how one session key reaches each recipient, a file per CMS technique."""
