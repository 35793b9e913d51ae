"""Upload code folders as code assets. Folders with the same content are uploaded only once."""

from pathlib import Path
from typing import Any
from uuid import UUID

from azure.ai.ml import MLClient
from azure.ai.ml.entities._assets import Code
from azure.core.exceptions import ResourceExistsError

#: The version of every code asset. The version can be constant, because an asset with different
#: content has a different name.
_VERSION = "1"


class CodeAssets:
    """The workspace's code assets.

    The SDK gives each code asset of a job or deployment a random name. The jobs and the deployment
    of one experiment would therefore upload the same folder several times. Here the name of a code
    asset is the SDK's hash of its content. Azure finds an asset by its name and its hash.

    Args:
        client: The SDK's client.
    """

    def __init__(self, client: MLClient) -> None:
        self._operations: Any = client._code

    def upload(self, folder: str) -> str:
        """Return the resource id of a folder's code asset; upload the folder if necessary."""
        code: Any = Code(path=str(Path(folder).resolve()))
        code.name, code.version = str(UUID(code._hash_sha256[:32])), _VERSION
        try:
            asset = self._operations.create_or_update(code)
        except ResourceExistsError:
            # Another command has uploaded the same content at the same time.
            asset = self._operations.get(code.name, _VERSION)
        return str(asset.id)
