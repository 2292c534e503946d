"""The arguments and the result of one activity or workflow, as JSON text by parameter name."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import attrs

from romancy.calls import ActivityDefinition, WorkflowDefinition
from romancy.codec import fields
from romancy.codec.shapes import Shapes
from romancy.codec.text import Unfit, at_key, dump, load, shown, walk
from romancy.codec.values import ANY, Shape, Unsupported, suggestion
from romancy.errors import DefinitionError, SerializationError

_codecs: dict[ActivityDefinition | WorkflowDefinition, CallCodec] = {}


def activity_codec(definition: ActivityDefinition) -> CallCodec:
    """The codec of an activity's arguments and result, made at the first use.

    Raises:
        DefinitionError: an annotation cannot be resolved or carried.
    """
    codec = _codecs.get(definition)
    if codec is None:
        _codecs[definition] = codec = CallCodec(f"activity {definition.place}", definition.fn)
    return codec


def workflow_codec(definition: WorkflowDefinition) -> CallCodec:
    """The codec of a workflow's arguments, without the context, and of the `T` of its `Flow[T]`.

    Raises:
        DefinitionError: an annotation cannot be resolved or carried.
    """
    codec = _codecs.get(definition)
    if codec is None:
        _codecs[definition] = codec = CallCodec(f"workflow {definition.place}", definition.fn, is_workflow=True)
    return codec


@attrs.frozen(eq=False)
class _Parameter:
    name: str
    kind: Any
    shape: Shape
    required: bool


class CallCodec:
    """The arguments and the result of one function, to JSON text and back."""

    def __init__(self, told: str, fn: Callable[..., Any], *, is_workflow: bool = False) -> None:
        self._told = told
        self._is_workflow = is_workflow
        self._fn = fn
        plain = inspect.unwrap(fn)
        shapes = Shapes(getattr(plain, "__globals__", {}), _closure(plain))
        signature = inspect.signature(fn)
        parameters = list(signature.parameters.values())[1 if is_workflow else 0 :]
        self._signature = signature.replace(parameters=parameters)
        self._parameters = [
            _Parameter(each.name, each.kind, self._shape(shapes, each.name, each.annotation), _is_required(each))
            for each in parameters
        ]
        self._by_name = {each.name: each for each in self._parameters}
        self._positional = [p for p in self._parameters if p.kind in (p.kind.POSITIONAL_ONLY, _EITHER)]
        self._rest = next((p for p in self._parameters if p.kind is _REST), None)
        self._named_rest = next((p for p in self._parameters if p.kind is _NAMED_REST), None)
        self._required = [p.name for p in self._parameters if p.required]
        # All of the required are among the first `len(args)` positional ones: then nothing needs to be bound.
        self._fewest = (
            max((i + 1 for i, p in enumerate(self._positional) if p.required), default=0)
            if all(p in self._positional for p in self._parameters if p.required)
            else len(self._parameters) + 1
        )
        self._plan = [(p.name, p.shape.kinds, p.shape.encode) for p in self._positional]
        self._most = len(self._plan)
        self._names = [p.name for p in self._positional]
        self._is_simple = all(p.kind in (_EITHER, p.kind.KEYWORD_ONLY) for p in self._parameters)
        returned = signature.return_annotation
        if is_workflow:
            returned = self._flow_result(shapes, returned)
        self._result = self._shape(shapes, "return", returned)
        self._encode_result, self._decode_result = self._result.encode, self._result.decode

    def _shape(self, shapes: Shapes, name: str, annotation: Any) -> Shape:
        if annotation is inspect.Parameter.empty:
            return ANY
        try:
            return shapes.of(shapes.resolve(annotation))
        except (Unsupported, TypeError) as error:
            what = "its return annotation" if name == "return" else f"the annotation of its parameter {name!r}"
            raise DefinitionError(f"{self._told}: {what}: {error}") from None

    def _flow_result(self, shapes: Shapes, annotation: Any) -> Any:
        if annotation is inspect.Parameter.empty:
            return annotation
        try:
            resolved = shapes.resolve(annotation)
        except Unsupported as error:
            raise DefinitionError(f"{self._told}: its return annotation: {error}") from None
        args = typing.get_args(resolved)
        return args[2] if len(args) == 3 else inspect.Parameter.empty

    def encode_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The arguments as the text of an object by parameter name; defaults are not filled in.

        Args:
            args: those given by position, without the context of a workflow.
            kwargs: those given by name.

        Raises:
            DefinitionError: they do not fit the signature, or one cannot be carried because its parameter has no
                annotation.
            SerializationError: one cannot be carried as JSON under its annotation.
        """
        if kwargs or not self._fewest <= len(args) <= self._most:
            return self._encode_bound(args, kwargs)
        given: dict[str, Any] = {}
        name, value = "", None
        try:
            for (name, kinds, encode), value in zip(self._plan, args):  # noqa: B905 - defaults are left out
                given[name] = value if type(value) in kinds else encode(value)
            name = ""
            return dump(given)
        except Exception as error:
            self._refuse_argument(name, value, error)

    def _encode_bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        given: dict[str, Any] = {}
        name, value = "", None
        try:
            for name, value in self._bind(args, kwargs).items():
                given[name] = self._encode_argument(self._by_name[name], value)
            name = ""
            return dump(given)
        except DefinitionError:
            raise
        except Exception as error:
            self._refuse_argument(name, value, error)

    def _encode_argument(self, parameter: _Parameter, value: Any) -> Any:
        if parameter.kind is _REST:
            return _each_at(parameter.shape.encode, enumerate(value), list)
        if parameter.kind is _NAMED_REST:
            return _each_at(parameter.shape.encode, value.items(), dict)
        return parameter.shape.encode(value)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments by parameter, in the order of the signature."""
        if self._is_simple and len(args) <= self._most:
            given = dict(zip(self._names, args))  # noqa: B905 - the rest is given by name
            if not any(name in given or name not in self._by_name for name in kwargs):
                given.update(kwargs)
                if all(name in given for name in self._required):
                    return {name: given[name] for name in self._by_name if name in given}
        return self._bind_by_signature(args, kwargs)

    def _bind_by_signature(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise DefinitionError(
                f"{self._told} does not take these arguments: {error}; "
                f"write {self._fn.__name__}({', '.join(str(p) for p in self._signature.parameters.values())})"
            ) from None

    def decode_arguments(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, ready for `fn(*args, **kwargs)`.

        Raises:
            SerializationError: the text is damaged, or does not fit the signature any more.
        """
        path = "args"
        try:
            data = load(text)
            if type(data) is not dict:
                raise Unfit(f"is {shown(data)} and not an object of arguments")
            self._check_names(data)
            decoded = {}
            for name, value in data.items():
                path = f"args.{name}"
                decoded[name] = self._decode_argument(self._by_name[name], value)
            path = "args"
            return self._spread(decoded)
        except Exception as error:
            raise self._failure(path, error) from None

    def _check_names(self, data: dict[str, Any]) -> None:
        for name in data:
            if name not in self._by_name:
                raise Unfit(f"{self._told} has no parameter {name!r}, which was recorded: keep it, with a default")
        for name in self._required:
            if name not in data:
                raise Unfit(f"the recorded call lacks {name!r}: give the parameter of {self._told} a default")

    def _decode_argument(self, parameter: _Parameter, data: Any) -> Any:
        if parameter.kind is _REST:
            if type(data) is not list:
                raise Unfit(f"is {shown(data)} and not a list")
            return _each_at(parameter.shape.decode, enumerate(data), list)
        if parameter.kind is _NAMED_REST:
            if type(data) is not dict:
                raise Unfit(f"is {shown(data)} and not an object")
            return _each_at(parameter.shape.decode, data.items(), dict)
        return parameter.shape.decode(data)

    def _spread(self, decoded: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args: list[Any] = []
        for each in self._positional:
            if each.name not in decoded:
                break
            args.append(decoded.pop(each.name))
        if self._rest is not None:
            rest = decoded.pop(self._rest.name, [])
            if rest and len(args) < len(self._positional):
                raise Unfit(f"the recorded call lacks {self._positional[len(args)].name!r}")
            args.extend(rest)
        spare = decoded.pop(self._named_rest.name, {}) if self._named_rest is not None else {}
        return tuple(args), {**decoded, **spare}

    def encode_result(self, value: Any) -> str:
        """The result as JSON text.

        Raises:
            DefinitionError: it cannot be carried because the function has no return annotation.
            SerializationError: it cannot be carried as JSON under the annotation.
        """
        try:
            return dump(self._encode_result(value))
        except Exception as error:
            self._refuse_result(value, error)

    def decode_result(self, text: str) -> Any:
        """The result that `encode_result` wrote.

        Raises:
            SerializationError: the text is damaged, or does not fit the annotation any more.
        """
        try:
            return self._decode_result(load(text))
        except Exception as error:
            raise self._failure("result", error) from None

    def _refuse_argument(self, name: str, value: Any, error: Exception) -> NoReturn:
        if isinstance(error, Unfit) and not error.path and name and self._by_name[name].shape.anything:
            wanted = suggestion(error.value)
            if wanted is not None:
                raise DefinitionError(
                    f"{self._told} was given {shown(error.value)} for {name!r}, which {self._says_nothing(name)}: "
                    f"write `{name}: {wanted}`"
                ) from None
        raise self._failure(f"args.{name}" if name else "args", error, value) from None

    def _refuse_result(self, value: Any, error: Exception) -> NoReturn:
        if isinstance(error, Unfit) and not error.path and self._result.anything:
            wanted = suggestion(error.value)
            if wanted is not None:
                raise DefinitionError(
                    f"{self._told} returned {shown(error.value)} but {self._says_nothing('return')}: "
                    f"write `{self._arrow(wanted)}`"
                ) from None
        raise self._failure("result", error, value) from None

    def _failure(self, path: str, error: Exception, value: Any = None) -> SerializationError:
        unfit = _unfit(error, value)
        whose = "" if self._told in unfit.reason else f", in {self._told}"
        return SerializationError(path + unfit.path, unfit.reason + whose)

    def _says_nothing(self, name: str) -> str:
        if name in self._fn.__annotations__:
            return f"is annotated as {self._fn.__annotations__[name]!r}"
        return "has no return annotation" if name == "return" else "has no annotation"

    def _arrow(self, wanted: str) -> str:
        return f"-> Flow[{wanted}]" if self._is_workflow else f"-> {wanted}"


_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_REST = inspect.Parameter.VAR_POSITIONAL
_NAMED_REST = inspect.Parameter.VAR_KEYWORD


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (_REST, _NAMED_REST)


def _closure(fn: Callable[..., Any]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue
    return names


def _inside(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return [(at_key(key), each) for key, each in value.items()]
    return list(enumerate(value)) if isinstance(value, (list, tuple)) else list(fields.inside(value))


def _each_at(convert: Callable[[Any], Any], pairs: Any, make: type) -> Any:
    done: dict[Any, Any] = {}
    for place, value in pairs:
        try:
            done[place] = convert(value)
        except Unfit as unfit:
            unfit.within(f"[{place!r}]")
            raise
    return list(done.values()) if make is list else done


def _unfit(error: Exception, value: Any) -> Unfit:
    """What an error that the carrying of a value raised says of it."""
    if isinstance(error, RecursionError):
        try:
            for _ in walk(value, _inside):
                pass
            return Unfit("is nested too deep for Python's limit of recursion")
        except Unfit as unfit:
            error = unfit
    return error if isinstance(error, Unfit) else Unfit(f"cannot be carried: {type(error).__name__}: {error}")
