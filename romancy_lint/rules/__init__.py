"""The rules: a written tuple, in the order of their codes."""

from __future__ import annotations

from romancy_lint.rules.blocking_sleep import BlockingSleep
from romancy_lint.rules.bypass import Bypass
from romancy_lint.rules.captured_write import CapturedWrite
from romancy_lint.rules.class_write import ClassWrite
from romancy_lint.rules.command_line import CommandLine
from romancy_lint.rules.completion_order import CompletionOrder
from romancy_lint.rules.concurrency import Concurrency
from romancy_lint.rules.console import Console
from romancy_lint.rules.context_argument import ContextArgument
from romancy_lint.rules.contradicted_result import ContradictedResult
from romancy_lint.rules.database import Database
from romancy_lint.rules.driven_by_hand import DrivenByHand
from romancy_lint.rules.duplicate_name import DuplicateName
from romancy_lint.rules.dynamic_code import DynamicCode
from romancy_lint.rules.environment import Environment
from romancy_lint.rules.files import Files
from romancy_lint.rules.finally_jump import FinallyJump
from romancy_lint.rules.function_state import FunctionState
from romancy_lint.rules.global_mutation import GlobalMutation
from romancy_lint.rules.global_read import GlobalRead
from romancy_lint.rules.global_write import GlobalWrite
from romancy_lint.rules.host import Host
from romancy_lint.rules.identity import Identity
from romancy_lint.rules.import_time_value import ImportTimeValue
from romancy_lint.rules.interpreter_state import InterpreterState
from romancy_lint.rules.locale_zone import LocaleZone
from romancy_lint.rules.logging_calls import LoggingCalls
from romancy_lint.rules.lossy_argument import LossyArgument
from romancy_lint.rules.missing_delegation import MissingDelegation
from romancy_lint.rules.missing_yield import MissingYield
from romancy_lint.rules.monotonic_clock import MonotonicClock
from romancy_lint.rules.mutable_default import MutableDefault
from romancy_lint.rules.nested_call import NestedCall
from romancy_lint.rules.network import Network
from romancy_lint.rules.not_an_operation import NotAnOperation
from romancy_lint.rules.os_entropy import OsEntropy
from romancy_lint.rules.process_state import ProcessState
from romancy_lint.rules.processes import Processes
from romancy_lint.rules.random_numbers import RandomNumbers
from romancy_lint.rules.random_uuid import RandomUuid
from romancy_lint.rules.replay_branch import ReplayBranch
from romancy_lint.rules.rule import Rule
from romancy_lint.rules.set_iteration import SetIteration
from romancy_lint.rules.set_leak import SetLeak
from romancy_lint.rules.set_pick import SetPick
from romancy_lint.rules.shape import Shape
from romancy_lint.rules.stop_iteration import StopIterationRaised
from romancy_lint.rules.stray_yield import StrayYield
from romancy_lint.rules.suppression import InvalidSuppression
from romancy_lint.rules.swallowed_exit import SwallowedExit
from romancy_lint.rules.syntax import SyntaxProblem
from romancy_lint.rules.unbounded import Unbounded
from romancy_lint.rules.uncarried_argument import UncarriedArgument
from romancy_lint.rules.uncarried_result import UncarriedResult
from romancy_lint.rules.undeclared_exception import UndeclaredException
from romancy_lint.rules.unfit_arguments import UnfitArguments
from romancy_lint.rules.unfit_compensation import UnfitCompensation
from romancy_lint.rules.unreasoned_suppression import UnreasonedSuppression
from romancy_lint.rules.unresolved import Unresolved
from romancy_lint.rules.untyped_result import UntypedResult
from romancy_lint.rules.unused_suppression import UnusedSuppression
from romancy_lint.rules.wall_clock import WallClock
from romancy_lint.rules.wrong_delegation import WrongDelegation
from romancy_lint.rules.wrong_side import WrongSide
from romancy_lint.rules.yield_while_closing import YieldWhileClosing

RULES: tuple[Rule, ...] = (
    SyntaxProblem(),
    InvalidSuppression(),
    Unresolved(),
    UnusedSuppression(),
    UnreasonedSuppression(),
    WallClock(),
    MonotonicClock(),
    BlockingSleep(),
    RandomNumbers(),
    OsEntropy(),
    RandomUuid(),
    Identity(),
    SetIteration(),
    SetLeak(),
    SetPick(),
    CompletionOrder(),
    Environment(),
    CommandLine(),
    Host(),
    LocaleZone(),
    InterpreterState(),
    Files(),
    Network(),
    Database(),
    Processes(),
    Concurrency(),
    Console(),
    LoggingCalls(),
    ProcessState(),
    DynamicCode(),
    GlobalWrite(),
    GlobalMutation(),
    GlobalRead(),
    ClassWrite(),
    MutableDefault(),
    CapturedWrite(),
    FunctionState(),
    ImportTimeValue(),
    MissingYield(),
    Bypass(),
    MissingDelegation(),
    WrongDelegation(),
    NotAnOperation(),
    Shape(),
    StrayYield(),
    DrivenByHand(),
    NestedCall(),
    ReplayBranch(),
    Unbounded(),
    WrongSide(),
    SwallowedExit(),
    FinallyJump(),
    YieldWhileClosing(),
    StopIterationRaised(),
    UncarriedArgument(),
    UncarriedResult(),
    ContextArgument(),
    LossyArgument(),
    UndeclaredException(),
    ContradictedResult(),
    UnfitCompensation(),
    DuplicateName(),
    UnfitArguments(),
    UntypedResult(),
)

BY_CODE = {rule.code: rule for rule in RULES}

__all__ = ["BY_CODE", "RULES", "Rule"]
