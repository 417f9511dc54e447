# Thresholds: protection-and-sequences.md §2 (all assumption unless a source is shown), §4, §5, §10.
@protection
Feature: Protection of cells and clusters
  Level 3 opens the contactors of the cluster it concerns; starting up never puts a surge on anything.

  @catches-late-trip
  Scenario: A cell far above its voltage limit opens its cluster
    Given the plant is in operation
    When the voltage measured at cell 17 of pack 5 in cluster 3 reads 3.90 V
    Then within 1.3 s the BCU of cluster 3 reports an alarm of level 3 [§2 COV: 0.7 s, P4; 0.6 s for sampling and two bus cycles]
    And within 2.3 s the contactors of cluster 3 are open [assumption §4: within 1 s of level 3]

  @catches-wrong-threshold @catches-silent-alarm
  Scenario: A cell just above its voltage limit opens its cluster too
    Given the plant is in operation
    When the voltage measured at cell 3 of pack 2 in cluster 1 reads 3.66 V
    Then within 1.3 s the BCU of cluster 1 reports an alarm of level 3 [§2 COV: 3.65 V for 0.7 s]
    And within 2.3 s the contactors of cluster 1 are open [assumption §4]

  Scenario: A cell just below its voltage limit does not
    Given the plant is in operation
    When the voltage measured at cell 3 of pack 2 in cluster 1 reads 3.63 V
    Then for 5 s the contactors of cluster 1 stay closed [§2 COV: L3 is 3.65 V]
    And still the BCU of cluster 1 reports an alarm of level 2 [§2 COV: L2 is 3.60 V for 1 s]

  @catches-ignores-one-sensor
  Scenario Outline: Every temperature sensor counts: sensor <sensor> of pack <pack>
    Given the plant charges at 0.25 C
    When temperature sensor <sensor> of pack <pack> in cluster 2 reads 56 °C
    Then within 9 s the BCU of cluster 2 reports an alarm of level 3 [§2 CHT: 55 °C for 6 s, P4; 1 s temperature cycle]
    And within 8 s the contactors of cluster 2 are open [assumption §4: within 1 s of level 3]

    Examples:
      | pack | sensor |
      | 1    | 1      |
      | 5    | 11     |
      | 9    | 22     |

  @catches-no-precharge
  Scenario: The first cluster charges the bus before it closes
    Given the plant is powered up
    When the operator starts the plant
    Then within 10 s a precharge contactor is closed [assumption §4 step 6]
    And within 10 s the DC bus is above 1240 V [§4 step 6: 95 % of 1306 V within 5 s, 10 s at most]
    And within 60 s the stack is connected [assumption §4]
    And first a precharge contactor is closed, then the DC bus is above 1240 V [assumption §4]
    And first the DC bus is above 1240 V, then a positive main contactor is closed [assumption §4: K+ only on a charged bus]

  @catches-closes-onto-voltage-gap
  Scenario: A cluster more than 20 V off stays out
    # 65.5 mV between 20 and 50 % in the OCV table: 26 V on 396 cells. Between 5 and 20 V §5 would equalise through the PCS;
    # the shipped controllers do not, they leave such a cluster out too.
    Given cluster 3 stands at 20 % state of charge
    And the plant is powered up
    When the operator starts the plant
    Then within 60 s the contactors of cluster 1 are closed [assumption §4]
    And within 60 s the contactors of cluster 2 are closed [assumption §4]
    And for 20 s the contactors of cluster 3 stay open [assumption §5: above 20 V refuse]

  Scenario: A cluster a few volts off joins
    # 7.5 mV between 40 and 50 % in the OCV table: 3 V on 396 cells.
    Given cluster 3 stands at 40 % state of charge
    And the plant is powered up
    When the operator starts the plant
    Then within 60 s the contactors of cluster 3 are closed [assumption §5: up to 5 V]

  @catches-frozen-heartbeat
  Scenario: The PCS stays in service while the BMS is alive
    Given the plant is powered up
    When the operator starts the plant
    Then within 60 s the stack is connected [assumption §4]
    And within 120 s the EMS runs the plant [assumption §4: ready within 60 s, and the enter-service delay]
    When the operator asks for 400 kW
    And 15 s pass
    Then still the PCS delivers or takes power [§10: no BMS heartbeat for 10 s stops the PCS]
    And still the contactors of every cluster are closed

  Scenario: A pack that falls silent opens its cluster
    Given the plant is in operation
    When the BMU of pack 4 in cluster 2 falls silent
    Then within 2 s the BCU of cluster 2 reports an alarm of level 1 [assumption §10: 1 s]
    And within 4 s the BCU of cluster 2 reports an alarm of level 2 [assumption §10: 3 s]
    And within 6 s the BCU of cluster 2 reports an alarm of level 3 [assumption §10: 5 s]
    And within 7 s the contactors of cluster 2 are open [assumption §4]

  @catches-stuck-limits
  Scenario: The charge limit follows a cell that gets full
    Given the plant charges at 0.5 C
    When the voltage measured at cell 5 of pack 3 in cluster 2 reads 3.58 V
    Then within 1 s the BAU allows at most 30 A per cluster for charging [§3: 100 % at 3.45 V to 2 % at 3.60 V, P1: 26 A]
    And within 2 s the PCS takes at most 350 kW [assumption §3: the PCS follows within 1 s]
