"""From a run's outcome and findings to what people read: tables, figures and the page. Without torch."""
