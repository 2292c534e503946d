"""What calls of external names return, as far as rules ask, and what is known about builtins."""

from __future__ import annotations

#: External callables and the type of what they return.
RETURNS: dict[str, str] = {
    "logging.getLogger": "logging.Logger",
    "logging.LoggerAdapter": "logging.Logger",
    "structlog.get_logger": "structlog.BoundLogger",
    "structlog.getLogger": "structlog.BoundLogger",
    "boto3.client": "boto3.client",
    "boto3.resource": "boto3.resource",
    "boto3.session.Session.client": "boto3.client",
    "sqlite3.connect": "sqlite3.Connection",
    "sqlite3.Connection.cursor": "sqlite3.Cursor",
    "psycopg.connect": "psycopg.Connection",
    "psycopg2.connect": "psycopg2.connection",
    "pymysql.connect": "pymysql.Connection",
    "duckdb.connect": "duckdb.Connection",
    "redis.from_url": "redis.Redis",
    "redis.Redis.from_url": "redis.Redis",
    "sqlalchemy.create_engine": "sqlalchemy.create_engine",
    "sqlalchemy.orm.sessionmaker": "sqlalchemy.orm.sessionmaker",
    "requests.session": "requests.Session",
    "docker.from_env": "docker.DockerClient",
    "random.Random": "random.Random",
    "numpy.random.default_rng": "numpy.Generator",
    "numpy.random.RandomState": "numpy.Generator",
    "numpy.random.Generator": "numpy.Generator",
    "datetime.datetime.now": "datetime.datetime",
    "datetime.datetime.utcnow": "datetime.datetime",
    "datetime.datetime.today": "datetime.datetime",
    "datetime.datetime.fromisoformat": "datetime.datetime",
    "datetime.datetime.fromtimestamp": "datetime.datetime",
    "datetime.datetime.strptime": "datetime.datetime",
    "datetime.datetime.replace": "datetime.datetime",
    "datetime.datetime.astimezone": "datetime.datetime",
    "datetime.datetime.combine": "datetime.datetime",
    "datetime.datetime.date": "datetime.date",
    "datetime.date.today": "datetime.date",
    "time.time": "builtins.float",
    "time.time_ns": "builtins.int",
    "pathlib.Path.cwd": "pathlib.Path",
    "pathlib.Path.home": "pathlib.Path",
    "pathlib.Path.joinpath": "pathlib.Path",
    "pathlib.Path.with_name": "pathlib.Path",
    "pathlib.Path.with_suffix": "pathlib.Path",
    "pathlib.Path.resolve": "pathlib.Path",
    "pathlib.Path.absolute": "pathlib.Path",
    "pathlib.Path.expanduser": "pathlib.Path",
    "concurrent.futures.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "builtins.open": "io.TextIOWrapper",
    "io.open": "io.TextIOWrapper",
    "contextvars.ContextVar": "contextvars.ContextVar",
    "threading.local": "threading.local",
    "weakref.ref": "weakref.ref",
    "argparse.ArgumentParser": "argparse.ArgumentParser",
    "decimal.getcontext": "decimal.Context",
    "uuid.uuid4": "uuid.UUID",
    "uuid.uuid5": "uuid.UUID",
    "object": "builtins.object",
    "builtins.object": "builtins.object",
    "builtins.len": "builtins.int",
    "builtins.int": "builtins.int",
    "builtins.float": "builtins.float",
    "builtins.str": "builtins.str",
    "builtins.repr": "builtins.str",
    "builtins.bytes": "builtins.bytes",
    "builtins.bool": "builtins.bool",
    "builtins.abs": "builtins.int",
    "builtins.ord": "builtins.int",
    "builtins.round": "builtins.int",
    "builtins.isinstance": "builtins.bool",
}

#: Other names of the same thing.
ALIASES: dict[str, str] = {
    "posix": "os",
    "posixpath": "os.path",
    "_io": "io",
    "_random": "random",
    "pd": "pandas",
    "redis.client.Redis": "redis.Redis",
    "redis.asyncio.Redis": "redis.Redis",
    "requests.sessions.Session": "requests.Session",
    "requests.api": "requests",
    "sqlalchemy.orm.session.Session": "sqlalchemy.orm.Session",
    "pathlib.PosixPath": "pathlib.Path",
    "pathlib.WindowsPath": "pathlib.Path",
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "typing.Set": "builtins.set",
    "typing.AbstractSet": "builtins.set",
    "typing.MutableSet": "builtins.set",
    "typing.FrozenSet": "builtins.frozenset",
    "collections.abc.Set": "builtins.set",
    "collections.abc.MutableSet": "builtins.set",
    "typing.List": "builtins.list",
    "typing.Dict": "builtins.dict",
    "typing.Tuple": "builtins.tuple",
    "typing.Type": "builtins.type",
}

#: External functions that call what they are given (all arguments are looked at).
PURE_HIGHER_ORDER = frozenset(
    {
        "builtins.map",
        "builtins.filter",
        "builtins.sorted",
        "builtins.min",
        "builtins.max",
        "builtins.iter",
        "functools.reduce",
        "itertools.starmap",
        "itertools.accumulate",
        "itertools.takewhile",
        "itertools.dropwhile",
        "itertools.filterfalse",
        "itertools.groupby",
        "collections.defaultdict",
        "dataclasses.field",
        "attrs.field",
        "attrs.Factory",
        "attr.ib",
        "attr.Factory",
        "pydantic.Field",
        "heapq.nsmallest",
        "heapq.nlargest",
        "heapq.merge",
        "bisect.insort",
        "bisect.bisect",
        "builtins.list.sort",
        "copy.deepcopy",
    }
)

#: What keeps the functions that it is given for later, when it is evaluated while a module is imported.
KEEPING = frozenset(
    {
        "builtins.property",
        "builtins.staticmethod",
        "builtins.classmethod",
        "functools.cached_property",
        "functools.cache",
        "functools.lru_cache",
        "dataclasses.field",
        "attrs.field",
        "attrs.Factory",
        "attr.ib",
        "attr.Factory",
        "pydantic.Field",
    }
)

#: Builtins that consume an iterable without telling its order.
ORDER_FREE = frozenset(
    f"builtins.{name}"
    for name in [
        "sorted",
        "len",
        "any",
        "all",
        "min",
        "max",
        "sum",
        "set",
        "frozenset",
        "bool",
        "isinstance",
        "type",
    ]
) | {"collections.Counter", "math.fsum", "copy.copy", "copy.deepcopy"}

#: Builtins that hand the order of their argument on.
ORDERED = {
    "builtins.enumerate": "enumerate",
    "builtins.zip": "zip",
    "builtins.map": "map",
    "builtins.filter": "filter",
    "builtins.reversed": "reversed",
    "functools.reduce": "reduce",
    "itertools.chain": "chain",
    "itertools.chain.from_iterable": "chain",
    "itertools.islice": "islice",
    "itertools.groupby": "groupby",
    "itertools.permutations": "permutations",
    "itertools.combinations": "combinations",
    "itertools.product": "product",
    "itertools.accumulate": "accumulate",
    "itertools.batched": "batched",
    "itertools.pairwise": "pairwise",
    "builtins.dict.fromkeys": "dict.fromkeys",
    "builtins.dict": "dict",
    "collections.OrderedDict": "OrderedDict",
    "collections.OrderedDict.fromkeys": "dict.fromkeys",
}

#: Builtins that copy the order of their argument into a sequence or text.
LEAKS = {
    "builtins.list": "list",
    "builtins.tuple": "tuple",
    "builtins.str": "str",
    "builtins.repr": "repr",
    "builtins.ascii": "repr",
    "builtins.format": "format",
    "collections.deque": "deque",
    "json.dumps": "json.dumps",
    "pprint.pformat": "pformat",
}

#: Functions that change their first argument.
CHANGE_FIRST = frozenset(
    {
        "heapq.heappush",
        "heapq.heappop",
        "heapq.heapify",
        "heapq.heappushpop",
        "heapq.heapreplace",
        "bisect.insort",
        "bisect.insort_left",
        "bisect.insort_right",
        "random.shuffle",
        "random.Random.shuffle",
    }
)

#: Attributes of external objects, and the type of what they hold.
ATTRIBUTES = {"pathlib.Path.parent": "pathlib.Path"}

MUTATORS: dict[str, frozenset[str]] = {
    "list": frozenset(["append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"]),
    "dict": frozenset(["update", "setdefault", "pop", "popitem", "clear"]),
    "set": frozenset(
        [
            "add",
            "update",
            "discard",
            "remove",
            "pop",
            "clear",
            "intersection_update",
            "difference_update",
            "symmetric_difference_update",
        ]
    ),
    "deque": frozenset(
        [
            "append",
            "appendleft",
            "extend",
            "extendleft",
            "insert",
            "remove",
            "pop",
            "popleft",
            "clear",
            "rotate",
            "reverse",
        ]
    ),
    "any": frozenset(["append", "extend", "appendleft", "setdefault", "insert"]),
}

#: External classes whose instances are containers that can be mutated.
MUTABLE_CLASSES: dict[str, str] = {
    "collections.defaultdict": "dict",
    "collections.OrderedDict": "dict",
    "collections.Counter": "dict",
    "collections.deque": "deque",
    "collections.UserDict": "dict",
    "collections.UserList": "list",
    "builtins.bytearray": "list",
    "array.array": "list",
    "weakref.WeakValueDictionary": "dict",
    "weakref.WeakKeyDictionary": "dict",
    "weakref.WeakSet": "set",
}

ENDLESS = frozenset({"itertools.count", "itertools.cycle", "itertools.repeat"})

#: Elements that `sorted` can always order among themselves.
COMPARABLE = frozenset({"int", "str", "float", "bytes", "bool"})

#: Types that no codec can carry.
UNCARRIED: dict[str, str] = {
    "io.TextIOWrapper": "an open file",
    "threading.Lock": "a lock",
    "threading.RLock": "a lock",
    "builtins.object": "a bare object()",
    "sqlite3.Connection": "a database connection",
    "socket.socket": "a socket",
    "logging.Logger": "a logger",
    "romancy.Logger": "a logger",
    "re.Pattern": "a compiled pattern",
    "random.Random": "a random generator",
}
