"""Long-running operations: started by a PUT or DELETE, polled until they have finished."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.azure_emulator.faults import Action, Faults
from tests.azure_emulator.wire import RefusalError


@dataclass
class Operation:
    """One operation; `status` is Azure's."""

    status: str = "InProgress"
    code: str = ""
    message: str = ""


class Operations:
    """All operations.

    Args:
        faults: Faults that may make an operation fail.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.all: dict[str, Operation] = {}

    def begin(
        self, kind: str, work: Callable[[], None], failed: Callable[[str], None] | None = None
    ) -> str:
        """Do the work in a new thread and return the operation's id.

        Args:
            kind: Kind of the request that started the operation; faults name it.
            work: The work. After a RefusalError the operation is Failed.
            failed: Called with the reason when the operation has failed.
        """
        name = secrets.token_hex(6)
        operation = self.all[name] = Operation()

        def run() -> None:
            try:
                if self._faults.due(kind, Action.OPERATION_FAILED):
                    raise RefusalError(
                        500, "InternalError", "The operation failed on the service side."
                    )
                work()
            except RefusalError as refusal:
                error = refusal.reply.content["error"]
                operation.code, operation.message = error["code"], error["message"]
                if failed:
                    failed(operation.message)
                operation.status = "Failed"
            else:
                operation.status = "Succeeded"

        threading.Thread(target=run, daemon=True).start()
        return name
