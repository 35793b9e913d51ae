"""The terminal: results on standard output, progress on standard error."""

from mnist_exp.records import Record
class _Obs:
    def __enter__(self): return self
    def __exit__(self,*_): ...
    def job_changed(self, job): print(job.status, job.last_metrics, [(t.name[-2:],t.status.value,t.best) for t in job.trials])
    def message(self,t): print(t)
class RichDisplay:
    def stage_started(self, record): print("start", record.stage, record.name)
    def watching(self,*a): return _Obs()
    def message(self,t): print(t)
    def warning(self,t): print("warning:",t)
    def stage_ended(self, record): print("ended", record.stage, record.name, record.status, record.metrics, record.paths)
    def comparison(self, records): print(records)
    def variant(self, n, h): print(n, h)
