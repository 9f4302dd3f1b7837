"""nbgrader's configuration for this course; nbgrader and `python -m d2lhelpers class` both read it."""

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors as steps

from d2lhelpers.classroom.preprocessors import FillVariant, HideTests, UseExecution

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.course_id = "computer-vision"

# nbgrader's own steps, and the class's variant before the gradebook keeps the cells.
c.GenerateAssignment.preprocessors = [
    FillVariant,
    steps.IncludeHeaderFooter,
    steps.LockCells,
    steps.ClearSolutions,
    steps.ClearOutput,
    steps.CheckCellMetadata,
    steps.ComputeChecksums,
    steps.SaveCells,
    steps.ClearHiddenTests,
    steps.ClearMarkScheme,
    steps.ComputeChecksums,
    steps.CheckCellMetadata,
]
# The rubric stands in the question, a locked cell: gone when it is handed out, back when it is graded.
c.ClearMarkScheme.enforce_metadata = False

# A student's code never runs in nbgrader's process: `class grade` has run it in a sandbox, and this takes over what
# came of it. So the formgrader's own button is safe too.
c.Autograde.sanitize_preprocessors = [steps.DeduplicateIds, steps.OverwriteKernelspec]
c.Autograde.autograde_preprocessors = [
    UseExecution,
    steps.LimitOutput,
    steps.SaveAutoGrades,
    steps.AssignLatePenalties,
    steps.CheckCellMetadata,
]

# A page that shows a student's work is opened by the teacher, logged in: nothing on it may run.
c.HTMLExporter.sanitize_html = True

c.GenerateFeedback.preprocessors = [HideTests, steps.GetGrades, CSSHTMLHeaderPreprocessor]
