import json

import dagster as dg

from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

SECRET = "what a user typed"


def test_the_manifest_says_what_is_in_the_file_but_not_what_users_typed() -> None:
    typed = {"type": "string", "column": "name", "operator": "contains", "value": SECRET}
    query = {"tableName": "numbers", "filter": [typed], "orderBy": None, "searchQuery": SECRET}
    world = World(export_row(query=query))

    with dg.DagsterInstance.ephemeral() as instance:
        (event,) = world.run(instance).get_asset_materialization_events()

    manifest = event.materialization.metadata["manifest"].value
    assert isinstance(manifest, dict)
    assert (manifest["rows"], manifest["rows_planned"]) == (10, 10)
    assert manifest["bytes"] == len(world.text.encode())
    assert manifest["columns"][:2] == ["id", "name"]
    assert manifest["query"]["filter"] == [
        {"type": "string", "column": "name", "operator": "contains"}
    ]
    assert manifest["cutoff"] == world.row.created_at.isoformat()
    assert "dagster" in manifest["versions"]
    assert SECRET not in json.dumps(manifest)
