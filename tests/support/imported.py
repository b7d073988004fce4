"""What several test modules build on; taken by those of `test_bad_catalogues.py` first."""

from raw_skies import settings_of, write_sweep

from lenscal.audit import Run
from lenscal.audit.stages import STAGES

NAME = "sweep-020m005-025p005.fits"


LENSES = """ra,dec,name,grade,reference,z
20.5,0.1,DESI-1,probable,Huang (2021),0.272?
21.5,0.1,DESI-2,confident,Storfer (2024),0.905? measured
21.5,0.1002,other,probable,Else,0.4
22.5,95.0,DESI-3,probable,Huang (2021),-
"""


def place_of(folder, files):
    for name, table in files.items():
        write_sweep(folder / "survey" / "south" / "sweep" / "10.1" / name, table)
    (folder / "lenses.csv").write_text(LENSES)
    settings = settings_of(folder, "run")
    catalogue = settings.objects.lenses[0].model_copy(
        update={"columns": {**settings.objects.lenses[0].columns, "zlens": "z"}}
    )
    return Run(settings.model_copy(update={"objects": settings.objects.model_copy(update={"lenses": [catalogue]})}))


def imported(place):
    stage = STAGES["objects"]
    return stage.finish(place, [stage.work(place, block) for block in stage.blocks(place)])
