import time, sqlalchemy as sa
from gmail_warmup.grants.store import GrantStore
def want_token(world,*,address):
    e=sa.create_engine(world.store.engine.url,pool_size=1,max_overflow=0,isolation_level="AUTOCOMMIT",use_native_hstore=False)
    started=time.monotonic()
    world.store=GrantStore(e, world.store.cipher)
    token = world.tokens(read_timeout=20).get(address).token
    return token, time.monotonic()-started
